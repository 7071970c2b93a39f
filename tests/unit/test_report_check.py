"""Figures that can't be right stop the report, and the message says where they stand."""

import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from made_up_results import as_artefacts, write_results

from medpriv.errors import InputError
from medpriv.files import write_csv
from medpriv.measures.table import COLUMNS, Measure, read_measures, write_measures
from medpriv.report.build import build_report
from medpriv.report.check import SHOWN, check_figures, fault_of, is_share

NAN, INF = math.nan, math.inf
GOOD = Measure("toy", "t", "membership-lira", "auc", 0.6, 0.5, 0.7, n=40, group="level=patient", patients=40)
WRONG = {
    "an infinite figure": [
        replace(GOOD, measure="snr_db", value=INF, lower=NAN, upper=NAN),
        replace(GOOD, measure="gain", value=0.1, lower=-INF),
        replace(GOOD, measure="gain", value=NAN, lower=NAN, upper=INF),
    ],
    "a value with nothing counted behind it": [replace(GOOD, n=0), replace(GOOD, n=-1)],
    "limits without a value": [replace(GOOD, value=NAN), replace(GOOD, value=NAN, upper=NAN)],
    "a lower limit above the upper one": [replace(GOOD, lower=0.7, upper=0.5)],
    "a value outside its limits": [
        replace(GOOD, value=0.4999),
        replace(GOOD, value=0.7001),
        replace(GOOD, measure="flops", value=1.0002e9, lower=0.0, upper=1e9),
    ],
    "a share outside 0 to 1": [
        replace(GOOD, value=1.01, upper=1.1),
        replace(GOOD, measure="flip_rate", value=-0.01, lower=-0.1),
        replace(GOOD, measure="tpr_at_fpr_0.01", value=2.0, lower=NAN, upper=NAN),
    ],
    "a number that is no verdict": [replace(GOOD, measure="forgotten", value=0.5)],
}
RIGHT = [
    GOOD,
    replace(GOOD, n=40, patients=400),  # a share of 40 models of more people
    replace(GOOD, value=NAN, lower=NAN, upper=NAN, n=0, patients=0),
    replace(GOOD, lower=NAN, upper=NAN),
    replace(GOOD, measure="accuracy_gain", value=-0.2, lower=-0.3, upper=-0.1),
    replace(GOOD, value=0.5 - 5e-7),  # rounding
    replace(GOOD, measure="flops", value=1.00001e9, lower=0.0, upper=1e9),  # the sixth digit
    replace(GOOD, value=1 + 1e-7, upper=1 + 1e-7),
    *(replace(GOOD, measure="usable", value=code, lower=NAN, upper=NAN) for code in (1, 0, -1, -2, NAN)),
]


def written(folder: Path, *measures: Measure) -> Path:
    write_measures(folder / "measures.csv", measures)
    return folder / "measures.csv"


@pytest.mark.parametrize(("kind", "measure"), [(kind, measure) for kind, held in WRONG.items() for measure in held])
def test_each_kind_of_wrong_figure_is_named_with_its_place(kind: str, measure: Measure, tmp_path: Path) -> None:
    path = written(tmp_path, *RIGHT, measure)
    with pytest.raises(InputError) as caught:
        check_figures([path])
    assert (caught.value.file, caught.value.place) == (str(path), f"line {len(RIGHT) + 2}")
    assert f"toy t membership-lira {measure.measure} level=patient" in caught.value.problem
    assert kind in caught.value.problem and "run again" in caught.value.remedy


def test_figures_that_may_be_right_pass(tmp_path: Path) -> None:
    check_figures([written(tmp_path, *RIGHT)])


def test_text_for_a_number_is_a_fault() -> None:
    row = {name: str(value) for name, value in asdict(GOOD).items()}
    assert fault_of(row) == ""
    for name in ("value", "lower", "n"):
        assert fault_of(row | {name: "many"}) == "text for a number"
    assert fault_of(row | {"n": ""}) == "text for a number"


def test_of_many_faults_one_of_each_kind_is_named_first_and_all_are_counted(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    paths = [written(first, *[replace(GOOD, n=0)] * 8), written(second, GOOD, replace(GOOD, lower=0.7, upper=0.5))]
    with pytest.raises(InputError) as caught:
        check_figures(paths)
    message = caught.value.problem
    assert "9 (a value with nothing counted behind it: 8, a lower limit above the upper one: 1)" in message
    assert message.index(f"{paths[1]}, line 3") < message.index(f"{paths[0]}, line 3")
    assert message.count("measures.csv, line") == SHOWN - 1  # the first one's place is the error's own


def test_shares_are_told_from_differences_of_shares_by_name() -> None:
    shares = "accuracy_under_attack flip_rate_filtered test_macro_f1 auc_chance tpr_at_fpr_0.01_chance fpr_reached_0.1"
    others = (
        "accuracy_gain accuracy_over_majority flip_rate_change test_accuracy_gap auc_change passes_share brier snr_db"
    )
    assert all(map(is_share, shares.split())) and not any(map(is_share, others.split()))


@pytest.mark.parametrize("table", ["utility", "attack", "audit", "linkage"])
def test_no_page_is_written_over_a_wrong_figure_of_any_stage(table: str, tmp_path: Path) -> None:
    arguments = write_results(tmp_path / "results")
    paths = {
        "utility": arguments["banks"]["table", "baseline-mlp"] / "utility.csv",
        "attack": arguments["attacks"]["beats", "baseline-cnn", "evasion"] / "measures.csv",
        "audit": arguments["audits"]["beats", "unlearned", "unlearning"] / "measures.csv",
        "linkage": tmp_path / "linkage" / "measures.csv",
    }
    write_measures(paths["linkage"], [replace(GOOD, dataset="table", treatment="data")])
    arguments["linkage"] = {"table": tmp_path / "linkage"}
    rows = read_measures(paths[table])
    write_measures(paths[table], [*rows, replace(rows[0], group="level=x", n=0)])
    with pytest.raises(InputError, match=rf"{paths[table].name}, line {len(rows) + 2}: .*nothing counted"):
        build_report(**as_artefacts(arguments), destination=tmp_path / "report")
    assert not (tmp_path / "report" / "index.html").exists()


def test_the_comparison_is_looked_at_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_wrongly(path: Path, *_: object) -> None:
        write_csv(path, COLUMNS, [asdict(replace(GOOD, value=2.0))])

    monkeypatch.setattr("medpriv.report.build.write_comparison", write_wrongly)
    with pytest.raises(InputError, match=r"comparison\.csv, line 2: .*outside its limits"):
        build_report(**as_artefacts(write_results(tmp_path / "results")), destination=tmp_path / "report")
    assert not (tmp_path / "report" / "index.html").exists()
