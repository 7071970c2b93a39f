"""The first sentences and the counts of verdicts follow from `comparison.csv` alone, whatever the figures are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_results import as_artefacts, write_results
from recomputed import check_report, counts, read_models, read_rows
from recomputed import sentences as recomputed_sentences
from written_sections import sentences

from medpriv.measures.table import Measure
from medpriv.report.build import build_report
from medpriv.report.comparison import Headline
from medpriv.report.differences import by_dataset
from medpriv.report.results import Measures, Result
from medpriv.report.sections.comparison.figures import facts_of
from medpriv.report.tidy import write_comparison

TREATMENTS = ("baseline-cnn", "baseline-mlp", "robust-pgd", "robust-sap", "robust-nsr", "dp-sgd-mlp-eps1")
OTHERS = (
    "synthetic-bootstrap", "synthetic-cart", "synthetic-mst-eps1", "synthetic-moved_copies", "synthetic-dcgan",
    "lm-base", "lm-full-epoch8", "lm-unlearned-fake",
)  # fmt: skip
PEOPLE = (4, 15, 40, 300)


def test_page_says_what_its_table_says_and_a_figure_that_was_changed_is_found(tmp_path: Path) -> None:
    build_report(**as_artefacts(write_results(tmp_path)), destination=tmp_path / "report")
    check_report(tmp_path / "report")
    table = tmp_path / "report/comparison.csv"
    text = table.read_text()
    assert "membership_auc_patient,auc,membership-loss,level=patient,0.8," in text
    table.write_text(text.replace("level=patient,0.8,", "level=patient,0.81,"))
    with pytest.raises(AssertionError):
        check_report(tmp_path / "report")


@pytest.mark.parametrize("seed", range(60))
def test_sentences_and_counts_of_any_figures_follow_from_the_table(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    leaks = rng.choice((0.0, 0.04, 0.5))
    names = ("a", "b (simulated)", "c")
    treatments = TREATMENTS * bool(rng.random() < 0.9) + OTHERS * bool(rng.random() < 0.5)
    headlines = [world(rng, name, treatment, leaks) for name in names for treatment in treatments]
    if rng.random() < 0.2:  # only records were attacked
        headlines = [without(item, "membership_auc_patient") for item in headlines]
    leaking = rng.random() < 0.3
    headlines = [replace(item, leaking=leaking) if item.result.dataset == "c" else item for item in headlines]
    write_comparison(tmp_path / "comparison.csv", headlines, [])
    models = read_models(read_rows(tmp_path / "comparison.csv"))
    classifiers = [item for item in headlines if item.kind == "classifier"]
    others = [item for item in headlines if item.kind != "classifier"]
    assert sentences(classifiers, others) == recomputed_sentences(models)
    groups = by_dataset([item for item in headlines if not item.leaking])
    facts = [fact for own in groups.values() for fact in facts_of(own)]
    assert [fact for fact in facts if fact.startswith("leaks per")] == counts(models)


def world(rng: np.random.Generator, dataset: str, treatment: str, leaks: float) -> Headline:
    """Return a model whose figures, n and patients are drawn at random; `leaks` is how far above guessing AUCs go."""
    about = (dataset, treatment)
    people = int(rng.choice(PEOPLE))

    def drawn(attack: str, measure: str, low: float, high: float, group: str = "", width: float = 0.1) -> Measure:
        value = round(rng.uniform(low, high), 4)
        limits = (round(value - rng.uniform(0, width), 4), round(value + rng.uniform(0, width), 4))
        n = people * int(rng.integers(1, 90))
        return Measure(*about, attack, measure, value, *limits, n=n, group=group, patients=people)

    def by_level(attack: str, measure: str, low: float, high: float, width: float = 0.1) -> dict[str, Measure | None]:
        return {
            level: drawn(attack, measure, low, high, f"level={level}", width) if rng.random() < 0.9 else None
            for level in ("patient", "record")
        }

    utility = drawn("", "auroc" if dataset == "a" else "macro_f1", 0.5, 0.9)
    at = "budget=0.01"
    rates = (0.05, 0.3) if treatment.startswith("robust-") else (0.3, 0.7)
    flip = drawn("evasion-pgd", "flip_rate", *rates, at) if rng.random() < 0.8 else None
    classes = {label: drawn("evasion-pgd", "flip_rate", 0.1, 0.9, f"{at},class={label}") for label in "NSV"}
    classes |= {"F": replace(classes["V"], n=7, patients=3, group=f"{at},class=F")}
    chance = by_level("membership-best", "auc_chance", 0.5, 0.52, 0.03)
    failed = (None, (), ("masking", "masking_steps"))[rng.integers(3)] if flip else None
    leveled = {
        "membership_auc": by_level("membership-lira-online-shared", "auc", 0.45, 0.48 + leaks * rng.random()),
        "membership_auc_chance": chance,
        "membership_attacks": {
            level: item and replace(item, measure="attacks", value=8.0, n=8, attack="")
            for level, item in chance.items()
        },
        "membership_tpr_at_1pct_fpr": by_level("membership-loss", "tpr_at_fpr_0.01", 0, 0.2),
        "membership_tpr_at_1pct_fpr_chance": by_level("membership-best", "tpr_at_fpr_0.01_chance", 0.01, 0.02, 0.02),
    }
    figures = {
        "utility": utility if rng.random() < 0.95 else None,
        "auroc": drawn("", "auroc", 0.45, 0.9),
        "accuracy_over_majority": drawn("", "accuracy_over_majority", -0.1, 0.1),
        **{f"{name}_{level}": item for name, found in leveled.items() for level, item in found.items()},
        "evasion_flip_rate": flip,
        **{f"evasion_flip_rate_class_{label}": item for label, item in classes.items() if flip},
        "masking_checks_failed": Measure(*about, "", "checks_failed", float("masking_steps" in failed), n=9)
        if failed is not None
        else None,
    }
    checks = Measures(Measure(*about, "evasion-pgd", name, 0.0) for name in failed or ())
    result = Result(*about, "mlp" if "mlp" in treatment else "cnn", 8, {}, {}, Measures(), checks, {})
    return Headline(result, {name: item for name, item in figures.items() if item is not None})


def without(item: Headline, figure: str) -> Headline:
    return replace(item, figures={name: held for name, held in item.figures.items() if name != figure})
