"""Which jobs a changed key of the config reruns, by what the rules ask for: `docs/reruns.md`.

    python -m medpriv.workflow.reruns generate   write docs/reruns.md
    python -m medpriv.workflow.reruns check      fail if it is not what `generate` would write

A job reruns when a param of its rule, or the set of its input files, has changed. Both are given in the rules by the
helpers of `rules/common.smk`; `medpriv.workflow.asked` finds what of the config they look at.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from medpriv.catalogue.networks import networks
from medpriv.config.check import Config, dataset_kinds
from medpriv.config.section import Section, section_within
from medpriv.files import write_text
from medpriv.workflow.asked import asked_by_rules
from medpriv.workflow.rulegraph import edges_of
from medpriv.workflow.settings import DATASET

ROOT = Path(__file__).resolve().parents[2]
REPORT = "build_report"
TREES = networks(gradients=False)
HEAD = """# What a changed key reruns

Generated from the rules by `make generate`; do not edit by hand. `make why` says it for
your own change, job by job.

The report is made again after every change, since it prints the config. Beside it, a key reruns the jobs below, of the
datasets, networks and treatments alone that it speaks of: a baseline's `epochs` those of its own bank, and treatments
that train by its whole recipe; its layers also those that train the same network in a way of their own. Keys without a
job say which banks there are, as does a section that is added or taken out (`null`): new banks are made, those that are
dropped are removed, and the others are left alone. What follows from a job that ran (second table) reruns as far as it
builds on that job's files, and only if these came out different.

Some values are nothing to some jobs of a rule: `federated.local` to `sample_dp`, which has steps of its own;
`federated.partition.group` to `iid` and `dirichlet`; `private.engine` to perturbation; `bank.replicates` to banks that
have fewer; keys of `raw` to other sources than their own, and `seed` to files that are not made here.

"""


def all_keys() -> list[str]:
    """Return every key of the config that holds a value, in the order of the models, datasets as `{dataset}`."""
    keys = list(_keys_of(Config, ""))
    for kind in dataset_kinds():
        keys += [key for key in _keys_of(kind, f"{DATASET}.") if key not in keys]
    return keys


def _keys_of(section: type[Section], prefix: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        if f"{prefix}{name}" == "datasets":
            continue
        if inner := section_within(field.annotation):
            yield from _keys_of(inner, f"{prefix}{name}.")
        else:
            yield prefix + name


def rerun_by(key: str, root: Path = ROOT) -> tuple[str, ...]:
    """Return the rules whose jobs a changed value of a key reruns by itself, but for the report, in their order."""
    found = []
    for rule, patterns in asked_by_rules(root).items():
        hit = any(_covers(pattern, key) for pattern in patterns if not pattern.startswith("-"))
        left_out = any(_covers(pattern[1:], key) for pattern in patterns if pattern.startswith("-"))
        if hit and not left_out and rule != REPORT:
            found.append(rule)
    return tuple(found)


def _covers(pattern: str, key: str) -> bool:
    parts, names = (text.split(".") if text else [] for text in (pattern, key))
    return len(parts) <= len(names) and all(_may_be(part, name) for part, name in zip(parts, names, strict=False))


def _may_be(part: str, name: str) -> bool:
    if part in ("{network}", "{tree}"):
        return (name in TREES) == (part == "{tree}")
    return part == name or part.startswith("{")


# --- the page --------------------------------------------------------------------------------------------------------


def page(root: Path = ROOT) -> str:
    """Return docs/reruns.md."""
    lines = ["| key | jobs |", "| --- | --- |"]
    lines += [
        f"| {_shown(keys)} | {', '.join(rules) or 'none: says which banks there are'} |" for keys, rules in rows(root)
    ]
    follow = ["", "| after | follow |", "| --- | --- |"]
    edges = edges_of((root / "README.md").read_text(encoding="utf-8"))
    after: dict[str, list[str]] = {}
    for rule in asked_by_rules(root):
        if names := [name for name in asked_by_rules(root) if name in _after(rule, edges) - {REPORT}]:
            after.setdefault(", ".join(names), []).append(rule)
    follow += [f"| {', '.join(rules)} | {names} |" for names, rules in after.items()]
    return HEAD + "\n".join([*lines, *follow]) + "\n"


def rows(root: Path = ROOT) -> list[tuple[list[str], tuple[str, ...]]]:
    """Return the table: keys that stand together and rerun the same jobs, whole sections as `section.*`."""
    found: list[tuple[list[str], tuple[str, ...]]] = []
    for key, rules in _sections([(key.split("."), rerun_by(key, root)) for key in all_keys()], []):
        parent = key.rpartition(".")[0].removesuffix(".*")
        last = found[-1] if found else None
        if last and last[1] == rules and last[0][0].rpartition(".")[0] == parent and not key.endswith("*"):
            last[0].append(key)
        else:
            found.append(([key], rules))
    return found


def _sections(
    keys: list[tuple[list[str], tuple[str, ...]]], prefix: list[str]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield keys with their rules, a section whose keys all have the same rules as one."""
    depth = len(prefix)
    if depth > 1 and len(keys) > 1 and len({rules for _, rules in keys}) == 1:
        yield ".".join([*prefix, "*"]), keys[0][1]
        return
    for name in dict.fromkeys(parts[depth] for parts, _ in keys):
        own = [(parts, rules) for parts, rules in keys if parts[depth] == name]
        if len(own[0][0]) == depth + 1:
            yield ".".join(own[0][0]), own[0][1]
        else:
            yield from _sections(own, [*prefix, name])


def _shown(keys: list[str]) -> str:
    first, *others = [key.replace("{dataset}", "<name>") for key in keys]
    return ", ".join([f"`{first}`", *(f"`{key.rpartition('.')[2]}`" for key in others)])


def _after(rule: str, edges: list[tuple[str, str]]) -> set[str]:
    """Return all rules that wait for one, directly or not."""
    found, pending = set(), [rule]
    while pending:
        start = pending.pop()
        new = {end for begin, end in edges if begin == start} - found
        found |= new
        pending += new
    return found


def generate(root: Path = ROOT) -> None:
    """Write the page."""
    write_text(root / "docs/reruns.md", page(root))


def check(root: Path = ROOT) -> None:
    """Fail if the page is stale."""
    if (root / "docs/reruns.md").read_text(encoding="utf-8") != page(root):
        sys.exit("docs/reruns.md: does not follow from the rules. Remedy: make generate")


if __name__ == "__main__":
    verbs = {verb.__name__: verb for verb in (generate, check)}
    if len(sys.argv) != 2 or sys.argv[1] not in verbs:
        sys.exit(__doc__)
    verbs[sys.argv[1]]()
