"""The names that `TARGET` may have: rules, files, and `<stage>-<dataset>`."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from medpriv.errors import InputError

TARGETS = "MEDPRIV_TARGETS"  # the variable by which the Snakefile is told of them: Snakemake has them only later
CLOSE = 0.8  # how alike two names must be for one to be taken for the other misspelt


def check_targets(targets: Iterable[str], rules: Sequence[str]) -> None:
    """Refuse a target that is neither a rule nor looks like a file, with the names that are near.

    Args:
        targets: as asked for; one with a slash is a file, which Snakemake judges.
        rules: the names of all rules of this run.

    Raises:
        InputError: names no rule of this run.
    """
    for target in map(str, targets):
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
