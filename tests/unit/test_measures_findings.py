"""What a job writes: its tables by name, and nothing that it was not told of."""

from pathlib import Path

import pytest

from medpriv.files import read_csv
from medpriv.measures.findings import Findings, Rows
from medpriv.measures.table import Measure, read_measures

NAMES = {"attacks": ["membership-rmia", ""], "measures": ["auc", "tpr_at_fpr_@"]}


def found(attack: str = "membership-rmia", measure: str = "auc", table: str = "roc") -> Findings:
    return Findings([Measure("heart", "mlp", attack, measure, 0.5, n=9)], {table: Rows(("fpr",), [{"fpr": 0.1}])})


def paths(folder: Path) -> dict[str, Path]:
    return {name: folder / f"{name}.csv" for name in ("measures", "roc")}


@pytest.mark.parametrize("measure", ["auc", "tpr_at_fpr_0.01", "tpr_at_fpr_1e-05"])
def test_what_the_job_was_told_of_is_written(measure: str, tmp_path: Path) -> None:
    found("", measure).save(paths(tmp_path), NAMES)
    assert [row.measure for row in read_measures(tmp_path / "measures.csv")] == [measure]
    assert read_csv(tmp_path / "roc.csv") == [{"fpr": "0.1"}]


@pytest.mark.parametrize(
    ("findings", "problem"),
    [
        (found(attack="membership-rmai"), "unknown attack 'membership-rmai'"),
        (found(measure="acu"), "unknown measure acu"),
        (found(measure="tpr_at_fpr_x"), "unknown measure tpr_at_fpr_x"),
        (found(measure="auc_of_all"), "unknown measure auc_of_all"),
        (found(table="rco"), "unknown table rco, no table roc"),
        (Findings(found().measures), "no table roc"),
    ],
)
def test_a_misspelt_name_is_refused_and_nothing_written(findings: Findings, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{problem}: mend the name"):
        findings.save(paths(tmp_path), NAMES)
    assert not list(tmp_path.iterdir())


def test_findings_of_several_treatments_are_told_apart_in_one_table() -> None:
    joined = Findings.joined({"a": found(), "b": found()})
    assert joined.tables["roc"].rows == [{"treatment": "a", "fpr": 0.1}, {"treatment": "b", "fpr": 0.1}]
