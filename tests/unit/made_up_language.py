"""Made-up results of language models, for the report's tests."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from medpriv.catalogue.attacks import FAMILIES
from medpriv.files import write_csv, write_json
from medpriv.measures.table import Measure, write_measures

DATASET = "beats"
FAMILY_OF = {  # who is attacked by what
    "lm-full-epoch1": "language",
    "lm-full-epoch8": "language",
    "lm-paraphrased-epoch8": "language",
    "lm-dp-wide-eps8": "language",
    "lm-canaries": "language_canaries",
    "lm-unlearned-fake": "language_forgetting",
}
USE = {"perplexity": 1.8, "exact_match": 0.05, "token_f1": 0.6, "ece": 0.04}
TOKENS = ("patient", "record", "question", "place", "token", "bits", "n_in", "n_out")


def add_language_models(root: Path, arguments: dict) -> dict[str, object]:
    """Add language models of the dataset `beats` to the arguments of `as_artefacts`."""
    banks, attacks, stage = dict(arguments["banks"]), dict(arguments["attacks"]), root / "language" / DATASET
    for treatment in ("lm-base", *FAMILY_OF):
        folder = banks[DATASET, treatment] = stage / treatment
        privacy = {"privacy": {"epsilon": 7.9, "delta": 0.001, "patients": 96}} if "eps" in treatment else {}
        spec = {"model": "transformer", "hyperparameters": {}, "settings": {}}
        about = {"spec": spec, "replicates": [0, 1, 2, 3], "metadata": privacy, "costs": {"parameters": 100}}
        write_json(folder / "bank.json", about)
        write_measures(folder / "utility.csv", used(treatment))
    for treatment, family in FAMILY_OF.items():
        told = [replace(row, treatment=treatment) for row in attacked(family)]
        place = "language" if FAMILIES[family].joint else treatment
        folder = attacks[DATASET, treatment, family] = root / "attacks" / DATASET / place / family
        write_measures(folder / "measures.csv", told)
    folder = attacks[DATASET, "lm-dp-wide-eps8", "language_epsilon"] = (
        root / "attacks" / DATASET / "language" / "language_epsilon"
    )
    about = (DATASET, "lm-dp-wide-eps8")
    group = "canary=token,bound=independent-gaussian,delta=0.001"
    audited = [
        Measure(*about, "language-audit", "epsilon_lower", 4.9, n=400, group=group),
        Measure(*about, "language-accountant", "epsilon_accountant", 7.9, n=96, group="delta=0.001"),
    ]
    write_measures(folder / "measures.csv", audited)
    return arguments | {"banks": banks, "attacks": attacks}


def used(treatment: str) -> Iterator[Measure]:
    """Yield figures of use on 30 patients."""
    for name, value in USE.items():
        yield Measure(DATASET, treatment, "", name, value, 0.9 * value, 1.1 * value, 240, patients=30)
        if treatment != "lm-base":
            group = "reference=lm-base"
            yield Measure(DATASET, treatment, "", f"{name}_difference", -0.1, -0.2, 0.0, 240, group, patients=30)


def attacked(family: str) -> Iterator[Measure]:
    """Yield a figure of each attack of a family."""
    levels = ("level=record", "level=patient") if family == "language" else ("level=patient",)
    for name in FAMILIES[family].attacks:
        for group in levels:
            yield Measure(DATASET, "", name, "auc", 0.7, 0.65, 0.75, 60, group, patients=60)
        if name == "language-best":
            yield Measure(DATASET, "", name, "auc_chance", 0.5, 0.45, 0.55, 60, "level=patient", patients=60)
            yield Measure(DATASET, "", name, "tpr_at_fpr_0.01", 0.2, 0.1, 0.3, 60, "level=patient", patients=60)
        if name == "language-extraction-verbatim":
            for measure in ("extraction_gain", "extracted_members"):
                yield Measure(DATASET, "", name, measure, 0.1, 0.05, 0.15, 480, "level=record", patients=60)


def write_tokens(folder: Path, count: int) -> None:
    """Write the table of tokens that give patients away."""
    rows = (
        {"patient": f"p{i}", "record": i, "question": "dose", "place": 3, "token": f"t{i}", "bits": 9 - i / 10}
        | {"n_in": 2, "n_out": 2}
        for i in range(count)
    )
    write_csv(folder / "tokens.csv", TOKENS, rows)
