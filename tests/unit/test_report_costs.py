"""Costs as the jobs state them."""

from pathlib import Path

from medpriv.files import write_json
from medpriv.report.costs import Cost, Timing, read_costs, read_timings, retraining_share, training_cost


def test_what_jobs_took_is_read_where_they_ran(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"seconds": 4.5, "cpu_seconds": 4.1, "peak_mb": 310.2})
    files = {("baselines", "d", name): tmp_path / f"{name}.json" for name in "ab"}
    assert read_costs(files) == [Cost("baselines", "d", "a", 4.5, 4.1, 310.2)]


def test_training_cost_adds_shards_and_leaves_out_judging_and_other_treatments() -> None:
    costs = [
        Cost("baselines", "d", "cnn/0-of-2", 10.0, 9.0, 400.0),
        Cost("baselines", "d", "cnn/1-of-2", 12.0, 11.0, 420.0),
        Cost("baselines", "d", "cnn/gather", 1.0, 1.0, 90.0),
        Cost("baselines", "d", "cnn/utility", 5.0, 5.0, 900.0),
        Cost("attacks", "d", "cnn/membership", 7.0, 7.0, 800.0),
        Cost("baselines", "d", "cnn_gn/0-of-2", 99.0, 99.0, 999.0),
        Cost("baselines", "e", "cnn/0-of-2", 99.0, 99.0, 999.0),
    ]
    total = training_cost(costs, "d", "cnn")
    assert (total.seconds, total.cpu_seconds, total.peak_mb) == (23.0, 21.0, 420.0)
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
