"""The report as a whole: what it writes, that it is the same bytes each time, and what it must never show."""

import base64
import hashlib
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from made_up_results import write_results

from medpriv.errors import InputError
from medpriv.files import read_csv, read_json, write_csv, write_text
from medpriv.measures.table import COLUMNS, read_measures
from medpriv.report.build import build_report

HOSTILE = "<script>alert('$x$ & \"y\"')</script>"
MEASURED = re.compile(r"<!-- measured:begin -->.*<!-- measured:end -->", re.DOTALL)


class Elements(HTMLParser):
    """Collects every start tag of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return write_results(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def report(arguments: dict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    destination = tmp_path_factory.mktemp("report")
    build_report(**arguments, destination=destination)
    return destination


def test_report_has_page_tables_metrics_and_a_table_behind_every_figure(report: Path) -> None:
    files = {path.relative_to(report).as_posix() for path in report.rglob("*") if path.is_file()}
    assert {"index.html", "comparison.csv", "costs.csv", "metrics.json"} <= files
    figures = sorted(name for name in files if name.endswith(".svg"))
    assert figures
    assert {name.replace(".svg", ".csv") for name in figures} <= files
    for kind in ("tradeoff", "roc", "exposure", "evasion", "beat", "calibration"):
        assert any(name.startswith(f"figures/{kind}-") for name in figures), kind


def test_same_inputs_give_the_same_bytes_apart_from_what_was_measured(arguments: dict, tmp_path: Path) -> None:
    slower = dict(arguments["benchmarks"])
    for place, key in enumerate(list(slower)[:-1]):
        slower[key] = tmp_path / f"{place}.tsv"
        write_text(slower[key], "s\tmax_rss\tcpu_time\n99.5\t777\t98.1\n")
    build_report(**arguments, destination=tmp_path / "first")
    build_report(**(arguments | {"benchmarks": slower}), destination=tmp_path / "second")
    for first in (path for path in (tmp_path / "first").rglob("*") if path.is_file()):
        second = tmp_path / "second" / first.relative_to(tmp_path / "first")
        if first.name == "costs.csv":
            assert first.read_bytes() != second.read_bytes()
        elif first.name == "index.html":
            one, other = first.read_text(), second.read_text()
            assert one != other
            assert MEASURED.sub("", one) == MEASURED.sub("", other)
        else:
            assert first.read_bytes() == second.read_bytes(), first


def test_page_asks_no_server_and_admits_only_its_own_script(report: Path) -> None:
    page = (report / "index.html").read_text()
    elements = Elements(page).found
    for tag, attributes in elements:
        for name in ("src", "href", "xlink:href", "action", "data"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), (tag, attributes)
    assert not re.search(r"@import|url\((?!#)", page)
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(attributes["content"] for _, attributes in elements if "http-equiv" in attributes)
    assert policy.startswith("default-src 'none'")
    assert f"script-src 'sha256-{digest}'" in policy


def test_ids_of_the_page_are_unique(report: Path) -> None:
    ids = Counter(
        attributes["id"] for _, attributes in Elements((report / "index.html").read_text()).found if "id" in attributes
    )
    assert max(ids.values()) == 1


def test_inlined_figures_follow_the_theme_and_standalone_ones_keep_their_colours(report: Path) -> None:
    page = (report / "index.html").read_text()
    body = page[page.index("<body>") :]
    assert not re.search(r"(?:fill|stroke|stop-color): #[0-9a-f]{6}", body)
    style = page[: page.index("<body>")]
    assert set(re.findall(r"var\((--[\w-]+)\)", body)) <= set(re.findall(r"(--[\w-]+):", style))
    assert all("var(" not in path.read_text() for path in (report / "figures").glob("*.svg"))


def test_no_figure_has_type_too_small_for_a_phone(report: Path) -> None:
    for path in (report / "figures").glob("*.svg"):
        svg = path.read_text()
        assert 'viewBox="0 0 360 ' in svg
        assert min(float(size) for size in re.findall(r"font(?:-size)?: (?:bold |700 )?([\d.]+)px", svg)) >= 10, path


def test_text_of_the_data_comes_out_harmless(tmp_path: Path) -> None:
    arguments = write_results(tmp_path, classes=("N", "S", HOSTILE, "F"))
    build_report(**arguments, destination=tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text()
    assert sum(tag == "script" for tag, _ in Elements(page).found) == 1
    assert "&lt;script&gt;alert" in page
    for path in (tmp_path / "report" / "figures").glob("*.svg"):
        ElementTree.parse(path)
        assert "<script" not in path.read_text()


def test_credentialed_dataset_shows_no_single_patient(tmp_path: Path) -> None:
    arguments = write_results(tmp_path, credentialed=True)
    build_report(**arguments, destination=tmp_path / "report")
    files = [path for path in (tmp_path / "report").rglob("*") if path.is_file()]
    assert not any(path.name.startswith("beat-") for path in files)
    for path in files:
        assert "secret" not in path.read_text(), path
    page = (tmp_path / "report" / "index.html").read_text()
    for data in re.findall(r"base64,([A-Za-z0-9+/=]+)", page):
        assert "secret" not in base64.b64decode(data).decode()
    bars = read_csv(tmp_path / "report" / "figures" / "exposure-table-baseline-mlp.csv")
    assert list(bars[0]) == ["lower", "upper", "patients"]
    assert all(bar["patients"] in ("", "0") or int(bar["patients"]) >= 10 for bar in bars)


def test_open_dataset_shows_example_beats_and_every_patient(report: Path) -> None:
    rows = read_csv(report / "figures" / "exposure-beats-baseline-cnn.csv")
    assert len({row["patient"] for row in rows}) == len(rows) > 20
    assert (report / "figures" / "beat-beats-baseline-cnn-1.svg").exists()


def test_comparison_and_metrics_agree(report: Path) -> None:
    rows = {(row["dataset"], row["treatment"], row["headline"]): row for row in read_csv(report / "comparison.csv")}
    metrics = read_json(report / "metrics.json")
    assert set(metrics) == {"beats", "table"}
    for dataset, treatments in metrics.items():
        for treatment, figures in treatments.items():
            for name, value in figures.items():
                assert float(rows[dataset, treatment, name]["value"]) == value
    unresolvable = rows["beats", "baseline-cnn", "membership_tpr_at_1pct_fpr_patient"]
    assert (unresolvable["value"], unresolvable["n"]) == ("", "15")
    assert "membership_tpr_at_1pct_fpr_patient" not in metrics["beats"]["baseline-cnn"]
    assert "unresolvable" in (report / "index.html").read_text()


def test_costs_of_missing_benchmark_files_are_left_out(arguments: dict, report: Path) -> None:
    rows = read_csv(report / "costs.csv")
    assert len(rows) == len(arguments["benchmarks"]) - 1
    assert {"stage": "attacks", "dataset": "beats", "name": "baseline-cnn/membership"}.items() <= rows[2].items()


def test_report_without_attacks_still_builds(arguments: dict, tmp_path: Path) -> None:
    build_report(**(arguments | {"attacks": {}, "benchmarks": {}}), destination=tmp_path)
    assert "No membership attack was run" in (tmp_path / "index.html").read_text()


def test_figures_of_another_model_are_refused(tmp_path: Path) -> None:
    arguments = write_results(tmp_path)
    path = arguments["banks"]["table", "baseline-mlp"] / "utility.csv"
    write_csv(path, COLUMNS, [vars(item) | {"treatment": "baseline-logistic"} for item in read_measures(path)])
    with pytest.raises(InputError, match="baseline-logistic among those of table/baseline-mlp"):
        build_report(**arguments, destination=tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_report_never_imports_torch() -> None:
    code = "import sys, medpriv.report.build; assert not {'torch', 'matplotlib', 'jinja2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
