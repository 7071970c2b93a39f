"""Who ended without a word is read off Snakemake's log, with the signal and what it probably means."""

import pytest

from medpriv.workflow.killed import ended_without_a_word, killed


def started(rule: str, job: int, wildcards: str = "") -> str:
    lines = [f"localrule {rule}:", "    input: a.py, b.csv", f"    jobid: {job}", "    reason: Missing output files: x"]
    return "\n".join(
        [*lines, *([f"    wildcards: {wildcards}"] if wildcards else []), "[Mon Nov 30 19:09:45 2026]", ""]
    )


def ended(rule: str, job: int, how: str) -> str:
    return (
        f'RuleException:\nCalledProcessError in file "/x/rules/a.smk", line 27:\n'
        f"Command 'set -euo pipefail;  /x/python /x/.snakemake/scripts/tmpab_1.{rule}.py' {how}.\n"
        f"[Mon Nov 30 19:09:45 2026]\nError in rule {rule}:\n    message: None\n    jobid: {job}\n    input: a.py\n"
    )


KILLED = "died with <Signals.SIGKILL: 9>"


def test_a_killed_job_is_named_with_its_wildcards_signal_cause_and_remedy():
    log = started("train", 3, "dataset=heart, model=mlp") + started("fetch_raw", 4) + ended("train", 3, KILLED)
    (said,) = ended_without_a_word(log, [])
    assert said.startswith("train (heart, mlp) was killed by SIGKILL, most often by the system, since memory ran out")
    assert "Remedy: fewer jobs side by side (CORES=1)" in said


def test_a_shell_in_between_hides_no_signal():
    log = started("train", 3) + ended("train", 3, "returned non-zero exit status 137")
    assert ended_without_a_word(log, [])[0].startswith("train was killed by SIGKILL")


def test_jobs_that_told_why_are_left_out_and_others_of_their_rule_are_not():
    failed = "returned non-zero exit status 1"
    log = started("train", 1, "model=a") + started("train", 2, "model=b") + started("measure", 3)
    log += ended("train", 1, failed) + ended("train", 2, KILLED) + ended("measure", 3, failed)
    told = ["train: a.csv: no number. Remedy: correct it"]
    killed_one, silent = ended_without_a_word(log, told)
    assert killed_one.startswith("train (b) was killed by SIGKILL")
    assert silent.startswith("measure ended without a message")
    assert len(ended_without_a_word(log, [*told, "measure: KeyError: 'x'"])) == 1


def test_two_jobs_whose_ends_are_logged_across_each_other_are_both_told():
    one, other = ended("train", 1, KILLED), ended("measure", 2, KILLED)
    cut = one.index("[Mon")
    crossed = one[:cut] + other[: other.index("[Mon")] + one[cut:] + other[other.index("[Mon") :]
    said = ended_without_a_word(started("train", 1) + started("measure", 2) + crossed, [])
    assert [line.split()[0] for line in said] == ["train", "measure"] and all("SIGKILL" in line for line in said)


@pytest.mark.parametrize(
    ("number", "said"),
    [(15, "SIGTERM"), (7, "SIGBUS, often since a disk"), (11, "SIGSEGV, a fault of a library"), (200, "signal 200")],
)
def test_each_signal_has_a_cause_and_a_remedy(number: int, said: str):
    assert said in killed(number) and "Remedy: " in killed(number)


def test_a_log_without_failures_says_nothing():
    assert ended_without_a_word(started("train", 1), []) == [] == ended_without_a_word("", [])
