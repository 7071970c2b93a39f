"""Say in words what would run now, and for which reason.

    python -m medpriv.workflow.why [--overlay config/open.yaml] [targets]

Snakemake's dry run gives each job a reason. Jobs that would run only because an earlier one does are counted, not
explained.
"""

import ast
import re
import sys
from collections import Counter, defaultdict

from medpriv.workflow.guard import FOLDER
from medpriv.workflow.plan import Job, parse_plan, snakemake
from medpriv.workflow.run import prepared, remove_unused

MOST_NAMED = 6  # of many things said in one sentence
MOST_LETTERS = 60  # of a value
UP_TO_DATE = "Nothing would run: every result is up to date."
_WORDS = (
    (r"Missing output files: ([^;]+)", lambda files: _missing(files)),
    (r"Updated input files: ([^;]+)", lambda files: f"{_sorted(files)} changed"),
    (r"Params have changed since last execution:.*?before: (.*) now: ([^;]*)", lambda old, new: _changed(old, new)),
    (r"(Set of input files has changed)", lambda _: "it reads other files than last time"),
    (r"(Code has changed)", lambda _: "its rule or script changed"),
    (r"(Software environment definition has changed)", lambda _: "envs/environment.yaml changed"),
    # Snakemake forces what was begun and not ended (--rerun-incomplete), and nothing else is forced here.
    (r"(Incomplete output files|Forced execution)", lambda _: "it was begun and not ended: cut off, or still running"),
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
    """An overlay's run lies below the project's folder: its way up is left out."""
    return _some(sorted(re.sub(r"^(\.\./)+", "", file) for file in files.strip().split(", ")))


def _changed(old: str, new: str) -> str:
    """Return which settings changed; of two mappings only the keys that differ."""
    try:
        before, after = (_parts(ast.literal_eval(text.strip())) for text in (old, new))
    except (ValueError, SyntaxError):
        return f"a setting changed from {_short(old.strip())} to {_short(new.strip())}"
    found = [one for pair in _pairs(before, after) for one in _differences(*pair)]
    if not found:
        return "it is of other banks than last time"
    said = [f"{key}changed from {_short(str(was))} to {_short(str(now))}" for key, was, now in found]
    return "the setting " + _some(said, " and ")


def _parts(value: object) -> list[object]:
    """Return the params that Snakemake printed, several as a tuple."""
    return list(value) if isinstance(value, tuple) else [value]


def _pairs(before: list[object], after: list[object]) -> list[tuple[object, object]]:
    """Return which param was which; of the report's the config alone, from which its others follow."""
    configs = [[part for part in parts if _named(part) and "datasets" in part] for parts in (before, after)]
    if all(configs):
        return [(configs[0][0], configs[1][0])]
    pairs = list(
        zip(*([part for part in parts if not isinstance(part, dict)] for parts in (before, after)), strict=False)
    )
    mappings = [part for part in before if _named(part)]
    return pairs + [
        (max(mappings, key=lambda part: len(part.keys() & now.keys())), now)
        for now in after
        if _named(now) and mappings
    ]


def _named(part: object) -> bool:
    return isinstance(part, dict) and all(isinstance(key, str) for key in part)


def _differences(before: object, after: object, key: str = "") -> list[tuple[str, object, object]]:
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return [(key and f"{key} ", before, after)]
    names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return [
        found
        for name in names
        for found in _differences(before.get(name), after.get(name), f"{key}.{name}" if key else str(name))
    ]


def _short(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 3]}..."


def _some(texts: list[str], between: str = ", ") -> str:
    """Return the first few of many texts, and how many more there are."""
    more = len(texts) - MOST_NAMED
    return between.join(texts[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _name(job: Job) -> str:
    return "/".join(part.partition("=")[2] for part in job.wildcards.split(", ") if part)


def _of(names: list[str]) -> str:
    return f" for {_some(names)}" if any(names) else ""


if __name__ == "__main__":
    command, folder = prepared(sys.argv[1:])
    try:
        print(explain(parse_plan(snakemake([*command, "--dry-run"], folder))))
    except RuntimeError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        if not (folder / FOLDER / "run.lock").exists():  # no run is about to begin there
            remove_unused(folder)
