"""Say in words what would run now, and for which reason.

    python -m medpriv.workflow.why [--overlay config/open.yaml] [targets]

Snakemake's dry run gives each job a reason. Jobs that would run only because an earlier one does are counted, not
explained.
"""

import ast
import re
import sys
from collections import Counter, defaultdict

from medpriv.workflow.plan import Job, parse_plan, snakemake
from medpriv.workflow.run import prepared

UP_TO_DATE = "Nothing would run: every result is up to date."
_WORDS = (
    (r"Missing output files: ([^;]+)", lambda files: _missing(files)),
    (r"Updated input files: ([^;]+)", lambda files: f"{_sorted(files)} changed"),
    (r"Params have changed since last execution:.*?before: (.*) now: ([^;]*)", lambda old, new: _changed(old, new)),
    (r"(Set of input files has changed)", lambda _: "it reads other files than last time"),
    (r"(Code has changed)", lambda _: "its rule or script changed"),
    (r"(Software environment definition has changed)", lambda _: "envs/environment.yaml changed"),
    (r"(Incomplete output files)", lambda _: "it was cut off last time"),
    (r"(Forced execution)", lambda _: "it is forced"),
)


def explain(jobs: list[Job]) -> str:
    """Return the plan as sentences: first the jobs with a cause of their own, then what follows from them."""
    causes: dict[tuple[str, str], list[str]] = defaultdict(list)
    followers: Counter[str] = Counter()
    for job in sorted(jobs, key=lambda job: (job.rule, job.wildcards)):
        if job.outputs and (found := causes_of(job.reason)):
            causes[job.rule, "; ".join(found)].append(_name(job))
        elif job.outputs:
            followers[job.rule] += 1
    if not causes and not followers:
        return UP_TO_DATE
    lines = [f"{rule} would run{_of(names)}: {cause}." for (rule, cause), names in causes.items()]
    if followers:
        lines.append("From that follow: " + ", ".join(f"{rule} ({count})" for rule, count in followers.items()) + ".")
    return "\n".join(lines)


def causes_of(reason: str) -> list[str]:
    """Return a job's own causes in words; none if it only follows other jobs."""
    return [
        text for pattern, words in _WORDS for found in re.finditer(pattern, reason) if (text := words(*found.groups()))
    ]


def _missing(files: str) -> str:
    """Shards are removed once their bank is gathered, so that they are missing is no cause."""
    return "" if files.startswith("shards/") else "its results are missing"


def _sorted(files: str) -> str:
    return ", ".join(sorted(files.strip().split(", ")))


def _changed(old: str, new: str) -> str:
    """Return which settings changed; of two mappings only the keys that differ."""
    try:
        before, after = ast.literal_eval(old.strip()), ast.literal_eval(new.strip())
    except (ValueError, SyntaxError):
        return f"a setting changed from {old.strip()} to {new.strip()}"
    differences = _differences(before, after)
    return "the setting " + " and ".join(f"{key}changed from {was} to {now}" for key, was, now in differences)


def _differences(before: object, after: object, key: str = "") -> list[tuple[str, object, object]]:
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return [(key and f"{key} ", before, after)]
    names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return [
        found
        for name in names
        for found in _differences(before.get(name), after.get(name), f"{key}.{name}" if key else str(name))
    ]


def _name(job: Job) -> str:
    return "/".join(part.partition("=")[2] for part in job.wildcards.split(", ") if part)


def _of(names: list[str]) -> str:
    return f" for {', '.join(names)}" if any(names) else ""


if __name__ == "__main__":
    command, folder = prepared(sys.argv[1:])
    try:
        print(explain(parse_plan(snakemake([*command, "--dry-run"], folder))))
    except RuntimeError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
