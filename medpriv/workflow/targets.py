"""The names that `TARGET` may have: rules, files, and `<stage>-<dataset>`."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from medpriv.errors import InputError

TARGETS = "MEDPRIV_TARGETS"  # the variable by which the Snakefile is told of them: Snakemake has them only later
RELEASED = ("table.csv", "data_card.md", "croissant.json")
CLOSE = 0.8  # how alike two names must be for one to be taken for the other misspelt


def check_targets(
    targets: Iterable[str], rules: Sequence[str], releases: Mapping[tuple[str, str], str] | None = None
) -> None:
    """Refuse a target that is neither a rule nor looks like a file, with the names that are near.

    Args:
        targets: as asked for; one with a slash is a file, which Snakemake judges, but for those of a release.
        rules: the names of all rules of this run.
        releases: dataset and bank of what may be asked for below `released/`, and what speaks against its release.

    Raises:
        InputError: names no rule of this run, or a release that can't be, or must not.
    """
    for target in map(str, targets):
        if target.startswith("released/"):
            _check_release(target, releases or {})
        if target in rules or "/" in target or Path(target).exists():
            continue
        word = target.partition("-")[2] or target
        near = get_close_matches(target, rules, n=3, cutoff=CLOSE)
        near = near or [name for name in rules if name.endswith(f"-{word}")]
        raise InputError(
            f"no target {target} in this run",
            file="TARGET",
            remedy="name a rule, a file, or <stage>-<dataset> of a stage that the dataset has"
            + (f": {', '.join(near)}, perhaps" if near else "")
            + "; `make report ARGS=--list-rules` lists them",
        )


def _check_release(target: str, releases: Mapping[tuple[str, str], str]) -> None:
    _, dataset, bank, file = (*target.split("/", 3), "", "", "")[:4]
    allowed = {f"{key[0]}/{key[1]}": key for key, control in releases.items() if not control}
    near = get_close_matches(f"{dataset}/{bank}", allowed, n=3, cutoff=0) or list(allowed)[:3]
    remedy = f"name released/{near[0]}/{RELEASED[1]}" if near else "add a generator under `synthetic.generators`"
    remedy += f" (also: {', '.join(near[1:])})" if near[1:] else ""
    if control := releases.get((dataset, bank)):
        problem = f"{bank} is a {control}. Its table is not for release"
    elif (dataset, bank) not in releases:
        problem = f"no bank {dataset}/{bank} of synthetic tables in this run"
    elif file not in RELEASED:
        problem, remedy = f"a release has no file {file!r}", f"name one of {', '.join(RELEASED)}"
    else:
        return
    raise InputError(problem, file="TARGET", place=target, remedy=remedy)
