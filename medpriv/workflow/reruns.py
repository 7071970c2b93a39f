"""Which jobs a changed key of the config reruns, by what the rules ask for: `docs/reruns.md`.

    python -m medpriv.workflow.reruns generate   write docs/reruns.md
    python -m medpriv.workflow.reruns check      fail if it is not what `generate` would write

A job reruns when a param of its rule, or the set of its input files, has changed. Both are given in the rules by the
helpers of `rules/common.smk`; here stands what of the config each helper looks at.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

from medpriv.catalogue.networks import networks
from medpriv.catalogue.treatments import TREATMENTS
from medpriv.config.check import Config, dataset_kinds
from medpriv.config.dataset import PatientSignalSettings
from medpriv.config.models import LAYERS
from medpriv.config.section import Section
from medpriv.files import write_text
from medpriv.workflow.artefacts import looped_rules
from medpriv.workflow.dvc import rule_files
from medpriv.workflow.rulegraph import edges_of

ROOT = Path(__file__).resolve().parents[2]
REPORT = "build_report"
TREES = networks(gradients=False)
DATASET = "datasets.{dataset}"
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


# --- what the helpers look at ----------------------------------------------------------------------------------------


def _setting(key: str = "", only: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> list[str]:
    return [f"{key}.{name}" for name in only] or [key, *(f"-{key}.{name}" for name in without)]


def _recipe_of(section: str) -> list[str]:
    return [*_base_of(section), *(f"{DATASET}.baselines.{model}" for model in _models_of(section))]


def _layers_of(section: str) -> list[str]:
    layers = [f"{DATASET}.baselines.{model}.{name}" for model in _models_of(section) for name in LAYERS[model]]
    return [*_base_of(section), *layers]


def _base_of(section: str) -> list[str]:
    return [] if section == "private" else [f"{DATASET}.{section}.model"]


def _replicates_of_bank(treatment: str) -> list[str]:
    word = treatment.partition("-")[0]
    own = [] if word == "baseline" else [f"{DATASET}.{TREATMENTS[word].section}.replicates"]
    return [f"{DATASET}.bank.replicates", *own]


READS: dict[str, Callable[..., list[str]]] = {
    "setting": _setting,
    "of_dataset": lambda key, *by_dataset: [key],
    "federation_of": lambda key: _setting(key, only=("rounds", "partition", "local", "strategies.{strategy}")),
    "private_of": lambda key: _setting(key, only=("models.{model}.{mechanism}", "delta", "engine")),
    "raw_of": lambda key: [key],
    "if_simulated": lambda key: [key],
    "recipe_of": _recipe_of,
    "layers_of": _layers_of,
    "base_of": _base_of,
    "replicates_of_bank": _replicates_of_bank,
    "replicates_of_shard": lambda treatment: [*_replicates_of_bank(treatment), f"{DATASET}.bank.shards"],
}


def _models_of(section: str) -> tuple[str, ...]:
    """Return the networks that a treatment's section may build on."""
    settings = _section_of(PatientSignalSettings.model_fields[section].annotation)
    if section == "private":
        return tuple(_section_of(settings.model_fields["models"].annotation).model_fields)
    return get_args(settings.model_fields["model"].annotation)


# --- rules and keys --------------------------------------------------------------------------------------------------


@cache
def asked_by_rules(root: Path = ROOT) -> dict[str, list[str]]:
    """Return, for every rule with a script, the patterns of the keys that its params and inputs hang on.

    A pattern stands for all keys below it; `{x}` is any name, a leading `-` takes keys out, the empty one is all keys.
    """
    asked = {}
    for file in rule_files(root):
        for block in re.split(r"^rule ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            if "script:" in block:
                calls = re.finditer(rf"\b({'|'.join(READS)})\(", block)
                found = [key for call in calls for key in READS[call[1]](*_arguments(block[call.end() :]))]
                found += [f"{DATASET}.format"] if "{format}" in block else []
                asked[block.partition(":")[0]] = found
    return asked | looped_rules()


def _arguments(text: str) -> list[Any]:
    """Return the arguments of a call, from the text after its bracket; names of arguments are in the helper's order."""
    depth, end = 1, 0
    while depth:
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        end += 1
    call = ast.parse(f"f({text[: end - 1]})", mode="eval").body
    given = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    named = [given.get(name, ()) for name in ("only", "without")] if given else []
    return [*map(ast.literal_eval, call.args), *named]


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
        if inner := _section_of(field.annotation):
            yield from _keys_of(inner, f"{prefix}{name}.")
        else:
            yield prefix + name


def _section_of(annotation: Any) -> Any:
    """Return the Section class within an annotation such as `Raw | None`."""
    candidates = (annotation, *get_args(annotation))
    return next((item for item in candidates if isinstance(item, type) and issubclass(item, Section)), None)


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
