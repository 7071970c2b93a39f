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
        ("Updated input files: ../../b.py, ../../a.py", ["a.py, b.py changed"]),
        (
            PARAMS + "before: 1, {'steps': 2, 'rate': 1} now: 3, {'steps': 4, 'rate': 1} ",
            ["the setting changed from 1 to 3 and steps changed from 2 to 4"],
        ),
        (
            PARAMS + "before: {('a', 'b'): 'x'}, {'seed': 1, 'datasets': {'heart': {'k': 1}}} "
            "now: {('a', 'c'): 'y'}, {'seed': 1, 'datasets': {'heart': {'k': 2}}} ",
            ["the setting datasets.heart.k changed from 1 to 2"],
        ),
        (PARAMS + "before: {('a', 'b'): 'x'} now: {('a', 'c'): 'y'} ", ["it is of other banks than last time"]),
        ("Set of input files has changed since last execution", ["it reads other files than last time"]),
        ("Code has changed since last execution", ["its rule or script changed"]),
        ("Forced execution", ["it was begun and not ended: cut off, or still running"]),
        ("Incomplete output files: a.csv", ["it was begun and not ended: cut off, or still running"]),
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


def test_sentences_stay_short_whatever_changed() -> None:
    files = ", ".join(f"medpriv/module{number}.py" for number in range(200))
    settings = {f"key{number}": "x" * 500 for number in range(300)}
    reasons = [f"Updated input files: {files}", PARAMS + f"before: {settings} now: {dict.fromkeys(settings, 'y')} "]
    jobs = [
        Job("attack", outputs=("x",), wildcards=f"dataset=d{number}", reason=reason)
        for number in range(50)
        for reason in reasons
    ]
    lines = explain(jobs).splitlines()
    assert len(lines) == 2 and all(len(line) < 1000 for line in lines)
    assert "and 44 more" in lines[0] and "and 194 more changed" in lines[0] and "and 294 more" in lines[1]


def test_an_empty_plan_is_up_to_date() -> None:
    assert explain([]) == UP_TO_DATE
