"""The first sentences and the counts of verdicts follow from `comparison.csv` alone, whatever the figures are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_results import write_results
from recomputed import check_report, counts, read_models, read_rows, sentences

from medpriv.measures.table import Measure
from medpriv.report.answer import answer, defence_sentences
from medpriv.report.build import build_report
from medpriv.report.comparison import Headline
from medpriv.report.inputs import Result
from medpriv.report.tables import comparison_groups
from medpriv.report.tidy import write_comparison

TREATMENTS = ("baseline-cnn", "baseline-mlp", "robust-pgd", "robust-sap", "robust-nsr", "dp-sgd-mlp-eps1")
PEOPLE = (4, 15, 40, 300)


def test_page_says_what_its_table_says(tmp_path: Path) -> None:
    build_report(**write_results(tmp_path), destination=tmp_path / "report")
    check_report(tmp_path / "report")


def test_a_figure_that_was_changed_is_found(tmp_path: Path) -> None:
    build_report(**write_results(tmp_path), destination=tmp_path / "report")
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
    headlines = [world(rng, name, treatment, leaks) for name in names for treatment in TREATMENTS]
    if rng.random() < 0.2:  # only records were attacked
        headlines = [replace(item, auc=item.auc | {"patient": None}) for item in headlines]
    leaking = rng.random() < 0.3
    headlines = [replace(item, leaking=leaking) if item.result.dataset == "c" else item for item in headlines]
    write_comparison(tmp_path / "comparison.csv", headlines, [])
    models = read_models(read_rows(tmp_path / "comparison.csv"))
    assert [text for text in (*answer(headlines), *defence_sentences(headlines)) if text] == sentences(models)
    facts = [fact for group in comparison_groups(headlines) for fact in group["facts"]]
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
    auc = by_level("membership-lira-online-shared", "auc", 0.45, 0.48 + leaks * rng.random())
    chance = by_level("membership-best", "auc_chance", 0.5, 0.52, 0.03)
    attacks = {
        level: item and replace(item, measure="attacks", value=8.0, n=8, attack="") for level, item in chance.items()
    }
    return Headline(
        result=Result(*about, "mlp" if "mlp" in treatment else "cnn", 8, {}, {}, (), (), {}),
        utility=utility if rng.random() < 0.95 else None,
        gap=None,
        auc=auc,
        tpr=by_level("membership-loss", "tpr_at_fpr_0.01", 0, 0.2),
        flip=flip,
        failed=(None, (), ("masking", "masking_steps"))[rng.integers(3)] if flip else None,
        chance=chance,
        tpr_chance=by_level("membership-best", "tpr_at_fpr_0.01_chance", 0.01, 0.02, 0.02),
        auroc=drawn("", "auroc", 0.45, 0.9),
        over_majority=drawn("", "accuracy_over_majority", -0.1, 0.1),
        attacks=attacks,
        class_flips=classes if flip else {},
    )
