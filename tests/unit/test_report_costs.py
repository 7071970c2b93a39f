"""Costs as Snakemake's benchmark files state them."""

from pathlib import Path

from medpriv.files import write_json, write_text
from medpriv.report.costs import Cost, Timing, read_costs, read_timings, retraining_share, training_cost


def test_benchmark_files_are_read_and_missing_or_unmeasured_ones_tolerated(tmp_path: Path) -> None:
    write_text(tmp_path / "a.tsv", "s\th:m:s\tmax_rss\tmax_vms\tcpu_time\n4.5\t0:00:04\t310.2\t900\t4.1\n")
    write_text(tmp_path / "b.tsv", "s\th:m:s\tmax_rss\tmax_vms\tcpu_time\n0.2\t0:00:00\tNA\tNA\tNA\n")
    write_text(tmp_path / "e.tsv", "s\th:m:s\tmax_rss\tmax_vms\tcpu_time\n0.1\t0:00:00\t0.00\t0.00\t0.00\n")
    write_text(tmp_path / "c.tsv", "")
    files = {("baselines", "d", name): tmp_path / f"{name}.tsv" for name in "abcde"}
    assert read_costs(files) == [
        Cost("baselines", "d", "a", 4.5, 4.1, 310.2),
        Cost("baselines", "d", "b", 0.2, None, None),
        Cost("baselines", "d", "e", 0.1, 0.0, None),
    ]


def test_training_cost_adds_shards_and_leaves_out_judging_and_other_treatments() -> None:
    costs = [
        Cost("baselines", "d", "cnn/0-of-2", 10.0, 9.0, 400.0),
        Cost("baselines", "d", "cnn/1-of-2", 12.0, 11.0, 420.0),
        Cost("baselines", "d", "cnn/gather", 1.0, None, None),
        Cost("baselines", "d", "cnn/utility", 5.0, 5.0, 900.0),
        Cost("attacks", "d", "cnn/membership", 7.0, 7.0, 800.0),
        Cost("baselines", "d", "cnn_gn/0-of-2", 99.0, 99.0, 999.0),
        Cost("baselines", "e", "cnn/0-of-2", 99.0, 99.0, 999.0),
    ]
    total = training_cost(costs, "d", "cnn")
    assert (total.seconds, total.cpu_seconds, total.peak_mb) == (23.0, 20.0, 420.0)
    assert training_cost(costs, "d", "mlp") is None


def test_unlearning_is_compared_with_retraining_of_the_same_request_model_by_model(tmp_path: Path) -> None:
    names = ("unlearned-retrain", "unlearned-ssd", "unlearned-retrain-personal", "unlearned-ssd-personal")
    for name, seconds, models in zip(names, (100.0, 1.0, 10.0, 2.0), (10, 5, 10, 10), strict=True):
        write_json(tmp_path / f"{name}.json", {"seconds": seconds, "models": models})
    files = {("d", name): tmp_path / f"{name}.json" for name in (*names, "unlearned-never-run")}
    timings = read_timings(files)
    assert timings[1] == Timing("d", "unlearned-ssd", 1.0, 5)
    assert [retraining_share(timings, timing) for timing in timings] == [1.0, 0.02, 1.0, 0.2]
    assert retraining_share(timings[1:2], timings[1]) is None
