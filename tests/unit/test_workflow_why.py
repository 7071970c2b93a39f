"""Snakemake's reasons in words."""

import pytest

from medpriv.workflow.plan import Job
from medpriv.workflow.why import UP_TO_DATE, causes_of, explain

PARAMS = "Params have changed since last execution: Union of exclusive params before and now across all output: "


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("Missing output files: results/a.csv, results/b.csv", ["its results are missing"]),
        ("Missing output files: shards/a/bank.json; Updated input files: b.py, a.py", ["a.py, b.py changed"]),
        ("Input files updated by another job: results/a.csv", []),
        (PARAMS + "before: 3 now: 4 ", ["the setting changed from 3 to 4"]),
        (
            PARAMS + "before: {'epochs': 3, 'width': 2} now: {'epochs': 4, 'width': 2} ",
            ["the setting epochs changed from 3 to 4"],
        ),
        (
            PARAMS + "before: {'raw': {'minutes': 1}} now: {'raw': {'minutes': 2}} ",
            ["the setting raw.minutes changed from 1 to 2"],
        ),
        (PARAMS + "before: <a> now: <b>", ["a setting changed from <a> to <b>"]),
        ("Set of input files has changed since last execution", ["it reads other files than last time"]),
        ("Code has changed since last execution", ["its rule or script changed"]),
        ("Forced execution", ["it is forced"]),
    ],
)
def test_reasons_become_words(reason: str, said: list[str]) -> None:
    assert causes_of(reason) == said


def test_jobs_with_the_same_cause_share_a_sentence_and_followers_are_counted() -> None:
    changed = "Updated input files: medpriv/a.py"
    jobs = [
        Job("attack", outputs=("x",), wildcards="dataset=heart, treatment=mlp", reason=changed),
        Job("attack", outputs=("y",), wildcards="dataset=mitdb, treatment=cnn", reason=changed),
        Job("report", outputs=("z",), reason="Input files updated by another job: x, y"),
        Job("all", reason="Input files updated by another job: z"),
    ]
    assert explain(jobs).splitlines() == [
        "attack would run for heart/mlp, mitdb/cnn: medpriv/a.py changed.",
        "From that follow: report (1).",
    ]


def test_an_empty_plan_is_up_to_date() -> None:
    assert explain([]) == UP_TO_DATE
