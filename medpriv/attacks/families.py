"""How a family of attacks is carried out on the banks of its job."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.measures.findings import Findings


def attack(
    family: ModuleType,
    dataset: Dataset,
    folders: Sequence[Path],
    known: Sequence[Bank],
    settings: Mapping[str, object],
    seed: int,
    *,
    joint: bool,
) -> Findings:
    """Return what a family finds on banks: one, all of a stage in turn (`joint`), or together, by its `audit_stage`.

    Args:
        family: its module.
        folders: of the banks; in turn, one is held at a time.
        known: the bank of the base model, of a family whose attackers know it.
    """
    if hasattr(family, "audit_stage"):
        return family.audit_stage(dataset, [Bank.load(folder) for folder in folders], *known, settings, seed)
    found = {folder.name: family.audit(dataset, Bank.load(folder), *known, settings, seed) for folder in folders}
    return Findings.joined(found) if joint else found[folders[0].name]
