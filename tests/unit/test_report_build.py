"""The report as a whole: what it writes, that it is the same bytes each time, and what it must never show."""

import base64
import hashlib
import re
import shutil
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from made_up_results import as_artefacts, of_patients, write_results
from recomputed import check_report

from medpriv.errors import InputError
from medpriv.files import read_csv, read_json, write_csv, write_json
from medpriv.measures.table import COLUMNS, read_measures
from medpriv.report.build import build_report
from medpriv.report.results import read_result

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
    build_report(**as_artefacts(arguments), destination=destination)
    return destination


def test_report_has_page_tables_metrics_and_a_table_behind_every_figure(report: Path) -> None:
    files = {path.relative_to(report).as_posix() for path in report.rglob("*") if path.is_file()}
    assert {"index.html", "comparison.csv", "costs.csv", "metrics.json"} <= files
    figures = sorted(name for name in files if name.endswith(".svg"))
    assert figures
    assert {name.replace(".svg", ".csv") for name in figures} <= files
    kinds = ("tradeoff", "roc", "exposure", "evasion", "beat", "calibration", "crossing", "gain", "class-gain")
    for kind in (*kinds, "forgetting"):
        assert any(name.startswith(f"figures/{kind}-") for name in figures), kind


def test_a_run_with_nothing_to_draw_ends_in_a_page_and_an_empty_folder(arguments: dict, tmp_path: Path) -> None:
    nothing = {name: {} for name in ("banks", "attacks", "derived", "audits", "costs", "timings")}
    alone = dict(list(arguments["datasets"].items())[:1])
    build_report(
        **as_artefacts(arguments | nothing | {"datasets": alone, "linkage": {}}), destination=tmp_path / "report"
    )
    assert (tmp_path / "report" / "index.html").is_file()
    assert list((tmp_path / "report" / "figures").iterdir()) == []


def test_same_inputs_give_the_same_bytes_apart_from_what_was_measured(
    arguments: dict, report: Path, tmp_path: Path
) -> None:
    slower = dict(arguments["costs"])
    for place, key in enumerate(list(slower)[:-1]):
        slower[key] = tmp_path / f"{place}.json"
        write_json(slower[key], {"seconds": 99.5, "cpu_seconds": 98.1, "peak_mb": 777})
    late = dict(arguments["timings"])
    late["beats", "unlearned-scrub"] = tmp_path / "scrub.json"
    write_json(late["beats", "unlearned-scrub"], {"seconds": 77.7, "models": 24})
    build_report(**as_artefacts(arguments | {"costs": slower, "timings": late}), destination=tmp_path / "second")
    for first in (path for path in report.rglob("*") if path.is_file()):
        second = tmp_path / "second" / first.relative_to(report)
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


def test_page_tells_a_local_file_by_its_name_alone(report: Path) -> None:
    page = (report / "index.html").read_text()
    assert "&#34;path&#34;: &#34;beats.csv&#34;" in page and "of-smith" not in page


def test_text_of_the_data_comes_out_harmless(tmp_path: Path) -> None:
    arguments = write_results(tmp_path, classes=("N", "S", HOSTILE, "F"))
    build_report(**as_artefacts(arguments), destination=tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text()
    assert sum(tag == "script" for tag, _ in Elements(page).found) == 1
    assert "&lt;script&gt;alert" in page
    for path in (tmp_path / "report" / "figures").glob("*.svg"):
        ElementTree.parse(path)
        assert "<script" not in path.read_text()


def test_credentialed_dataset_shows_no_single_patient(tmp_path: Path) -> None:
    arguments = write_results(tmp_path, credentialed=True)
    build_report(**as_artefacts(arguments), destination=tmp_path / "report")
    files = [path for path in (tmp_path / "report").rglob("*") if path.is_file()]
    assert not any(path.name.startswith(("beat-", "gain-")) for path in files)
    assert not any(path.name.startswith("unlearning-") and "patients" in path.name for path in files)
    for path in files:
        assert "secret" not in path.read_text(), path
    page = (tmp_path / "report" / "index.html").read_text()
    for data in re.findall(r"base64,([A-Za-z0-9+/=]+)", page):
        assert "secret" not in base64.b64decode(data).decode()
    bars = read_csv(tmp_path / "report" / "figures" / "exposure-table-simulated-baseline-mlp.csv")
    assert list(bars[0]) == ["lower", "upper", "patients"]
    assert all(bar["patients"] in ("", "0") or int(bar["patients"]) >= 10 for bar in bars)


def test_open_dataset_names_no_patient(report: Path) -> None:
    for path in report.rglob("*"):
        assert path.is_dir() or "secret" not in path.read_text(), path


def test_open_dataset_shows_example_beats_and_every_patient(report: Path) -> None:
    rows = read_csv(report / "figures" / "exposure-beats-simulated-baseline-cnn.csv")
    assert len(rows) > 20 and "patient" not in rows[0]
    assert (report / "figures" / "beat-beats-simulated-baseline-cnn-1.svg").exists()


def test_comparison_and_metrics_agree(report: Path) -> None:
    rows = {(row["dataset"], row["treatment"], row["headline"]): row for row in read_csv(report / "comparison.csv")}
    metrics = read_json(report / "metrics.json")
    assert set(metrics) == {"beats (simulated)", "table (simulated)"}
    for dataset, treatments in metrics.items():
        for treatment, figures in treatments.items():
            for name, value in figures.items():
                assert float(rows[dataset.removesuffix(" (simulated)"), treatment, name]["value"]) == value
    assert metrics["beats (simulated)"]["unlearned-scrub"]["ulira_auc"] == 0.53
    assert metrics["beats (simulated)"]["unlearned-scrub-personal"]["test_gap"] == -0.01
    assert metrics["beats (simulated)"]["personalized-all"]["gain_accuracy"] == 0.08
    assert metrics["beats (simulated)"]["baseline-cnn"]["ulira_auc"] == 0.86
    unresolvable = rows["beats", "baseline-cnn", "membership_tpr_at_1pct_fpr_patient"]
    assert (unresolvable["value"], unresolvable["n"]) == ("", "15")
    assert "membership_tpr_at_1pct_fpr_patient" not in metrics["beats (simulated)"]["baseline-cnn"]
    assert "not resolvable" in (report / "index.html").read_text()


def test_simulated_patients_are_named_as_such_wherever_a_figure_may_be_taken(report: Path) -> None:
    for path in (report / "figures").glob("*.svg"):
        svg = ElementTree.parse(path).getroot()
        title = svg.find("{*}title").text
        texts = "".join(svg.itertext()).replace(title, "")
        assert "(simulated)" in title and "simulated patients" in texts, path
        assert "-simulated" in path.stem
    for name in ("comparison.csv", "costs.csv"):
        assert {row["simulated"] for row in read_csv(report / name)} == {"true"}
    page = (report / "index.html").read_text()
    text = re.sub(r"<(style|script|pre|code|svg)\b.*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)
    assert not re.search(r"\bon table\b(?! \(simulated\))|(?<![/\w])(beats|table)/", text)


def test_real_patients_are_not_called_simulated(arguments: dict, tmp_path: Path) -> None:
    for folder in arguments["datasets"].values():
        about = read_json(folder / "dataset.json")
        (tmp_path / folder.name).mkdir()
        shutil.copy(folder / "dataset.safetensors", tmp_path / folder.name)
        write_json(tmp_path / folder.name / "dataset.json", about | {"source": "local"})
    datasets = {name: tmp_path / name for name in arguments["datasets"]}
    build_report(**as_artefacts(arguments | {"datasets": datasets}), destination=tmp_path / "report")
    files = list((tmp_path / "report").rglob("*.*"))
    assert not [path for path in files if "simulated" in path.name or "(simulated)" in path.read_text()]
    assert {row["simulated"] for row in read_csv(tmp_path / "report/comparison.csv")} == {"false"}


def test_rows_are_sorted_within_a_dataset_and_their_measure_alone(report: Path) -> None:
    page = (report / "index.html").read_text()
    table = page[page.index('<section id="comparison">') : page.index("</section>")]
    groups = re.findall(r"<tbody>(.*?)</tbody>", table, re.DOTALL)
    assert [re.search(r"utility: ([^<]*)", group)[1] for group in groups] == ["macro-F1", "AUROC"]
    for group, dataset in zip(groups, ("beats", "table"), strict=True):
        assert {key.split(" ")[0] for key in re.findall(r'<th scope="row"[^>]*data-order="([^"]*)"', group)} == {
            dataset
        }
    assert "for (const group of table.tBodies)" in page


def test_table_that_gives_the_outcome_away_and_models_without_skill_are_set_apart(tmp_path: Path) -> None:
    arguments = write_results(tmp_path)
    about = arguments["datasets"]["table"] / "dataset.json"
    finding = {
        "name": "age",
        "check": "auc",
        "allowed": True,
        "value": 1,
        "lower": 1,
        "n": 9,
        "explanation": "it tells",
    }
    write_json(about, (content := read_json(about)) | {"notes": content["notes"] | {"leakage": [finding]}})
    utility = arguments["banks"]["beats", "baseline-cnn"] / "utility.csv"
    rows = [vars(item) for item in read_measures(utility)]
    write_csv(utility, COLUMNS, [row | {"lower": -0.01} if "majority" in row["measure"] else row for row in rows])
    build_report(**as_artefacts(arguments), destination=tmp_path / "report")
    page = (tmp_path / "report/index.html").read_text()
    table = page[page.index('<section id="comparison">') : page.index("</section>")]
    assert "table (simulated)/" not in table
    assert "2 of table (simulated) in the leakage check" in table
    (row,) = [row for row in table.split("<tr>") if ">baseline-cnn<" in row]
    assert "<small>no skill</small>" in row and "15 patients: no skill" in row
    assert "1 classifier of beats (simulated) without skill" in page
    check_report(tmp_path / "report")


def test_best_of_several_attacks_stands_beside_its_chance_level(report: Path) -> None:
    page = (report / "index.html").read_text()
    table = page[page.index('<section id="comparison">') : page.index("</section>")]
    assert table.count("by luck up to 0.570") == 12  # 6 models, 2 levels
    assert "15 patients: shown" in table and "133 patients: shown" in table
    assert "FPR reached 1.1" in table and "Best of all, by chance" in page


def test_rows_behind_a_figure_say_whose_they_are(report: Path) -> None:
    rows = read_csv(report / "figures" / "calibration-beats-simulated.csv")
    assert {row["treatment"] for row in rows} == {"baseline-cnn", "baseline-cnn_gn", "robust-pgd", "robust-noise"}


def test_settings_that_were_left_out_are_left_out(report: Path) -> None:
    page = (report / "index.html").read_text()
    assert "batch size 64, epochs 20, learning rate 0.003" in page
    assert "None" not in re.sub(r"<style.*?</style>|<script.*?</script>", "", page, flags=re.DOTALL)


def test_long_tables_are_read_when_they_are_drawn(arguments: dict) -> None:
    key = ("beats", "baseline-cnn")
    attacks = {family: folder for (*of, family), folder in arguments["attacks"].items() if tuple(of) == key}
    patients = {family: of_patients(folder) for family, folder in attacks.items()}
    result = read_result(*key, arguments["banks"][key], attacks, patients)
    assert all(isinstance(held, Path) for held in result.tables.values())
    assert {row["patient"] for row in result.rows("membership-exposure")}
    assert result.rows("federated_server-examples") == ()


def test_costs_of_jobs_that_did_not_run_are_left_out(arguments: dict, report: Path) -> None:
    rows = read_csv(report / "costs.csv")
    assert sum(row["stage"] != "unlearned" for row in rows) == len(arguments["costs"]) - 1
    assert {row["name"] for row in rows if row["stage"] == "unlearned"} == {
        f"{treatment}/request" for (_, treatment), path in arguments["timings"].items() if path.exists()
    }
    assert {"stage": "attacks", "dataset": "beats", "name": "baseline-cnn/membership"}.items() <= rows[2].items()


def test_report_without_attacks_still_builds(arguments: dict, tmp_path: Path) -> None:
    nothing = {name: {} for name in ("attacks", "audits", "derived", "costs", "timings")}
    build_report(**as_artefacts(arguments | nothing), destination=tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert "No membership attack was run" in page
    assert not {"robustness", "smooth", "personalization", "unlearning"} & {
        attributes.get("id") for tag, attributes in Elements(page).found if tag == "section"
    } - {"robustness"}


def test_page_has_a_section_on_each_question(report: Path) -> None:
    found = Elements((report / "index.html").read_text()).found
    sections = [attributes["id"] for tag, attributes in found if tag == "section"]
    questions = ["robustness", "smooth", "personalization", "unlearning"]
    assert [name for name in sections if name in questions] == questions
    links = {attributes.get("href") for tag, attributes in found if tag == "a"}
    assert {f"#{name}" for name in questions} <= links


def test_model_that_fails_a_masking_check_is_marked(report: Path) -> None:
    page = (report / "index.html").read_text()
    table = page[page.index('<section id="comparison">') : page.index("</section>")]
    rows = {re.search(r'data-order="([^"]+)"', row)[1]: row for row in table.split("<tr>")[3:]}
    assert [key for key, row in rows.items() if "checks fail" in row] == ["beats (simulated)/robust-noise"]
    assert "beats (simulated)/robust-noise: the black box is not stronger" in table


def test_folded_panels_leave_their_tables_to_the_folder(report: Path) -> None:
    page = (report / "index.html").read_text()
    assert 'download="exposure-beats-simulated-baseline-cnn.csv"' in page
    assert 'download="exposure-beats-simulated-robust-pgd.csv"' not in page
    assert "<code>figures/exposure-beats-simulated-robust-pgd.csv</code>" in page
    named = set(re.findall(r"<code>(figures/[^<]*)</code>", page))
    assert all((report / name).exists() for name in named)


def test_artefacts_named_in_claims_are_those_the_figures_came_from(report: Path) -> None:
    page = (report / "index.html").read_text()
    paths = set(re.findall(r"<code>results/attacks/([^<]*)</code>", page))
    assert "beats/baseline-cnn/evasion/measures.csv" in paths
    assert "beats/personalized-all/personalization/measures.csv" in paths
    assert not [path for path in paths if path.split("/")[0] != "beats"]


def test_seconds_of_unlearning_stand_in_the_measured_block_alone(report: Path) -> None:
    page = (report / "index.html").read_text()
    block = MEASURED.search(page)[0]
    assert 'data-measured="beats (simulated)/unlearned-scrub"' in block
    assert ">31&nbsp;%<" in block or ">31\u00a0%<" in block  # (48 x 0.3 + 0.5) / (48 + 0.5)
    assert "31\u00a0%<" not in MEASURED.sub("", page)
    assert 'data-cost="share" data-model="beats (simulated)/unlearned-scrub"' in page
    assert 'data-model="beats (simulated)/unlearned-finetune"' not in page  # not timed


def test_audit_of_another_dataset_is_refused(tmp_path: Path) -> None:
    arguments = write_results(tmp_path)
    path = arguments["audits"]["beats", "unlearned", "unlearning"] / "measures.csv"
    write_csv(path, COLUMNS, [vars(item) | {"dataset": "table"} for item in read_measures(path)])
    with pytest.raises(InputError, match="of table among those of beats"):
        build_report(**as_artefacts(arguments), destination=tmp_path / "report")


def test_figures_of_another_model_are_refused(tmp_path: Path) -> None:
    arguments = write_results(tmp_path)
    path = arguments["banks"]["table", "baseline-mlp"] / "utility.csv"
    write_csv(path, COLUMNS, [vars(item) | {"treatment": "baseline-logistic"} for item in read_measures(path)])
    with pytest.raises(InputError, match="baseline-logistic among those of table/baseline-mlp"):
        build_report(**as_artefacts(arguments), destination=tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_report_never_imports_torch() -> None:
    code = "import sys, medpriv.report.build; assert not {'torch', 'matplotlib', 'jinja2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
