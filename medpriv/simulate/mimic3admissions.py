"""MIMIC-III's PATIENTS and ADMISSIONS of patients made here: those of `mimic3`, without what was measured in them."""

from pathlib import Path

from medpriv.simulate.mimic3_hospital import draw_people, write_admissions


def simulate(settings: dict, folder: Path, seed: int) -> None:
    """Write the tables of `settings["patients"]` patients into `folder`."""
    write_admissions(draw_people(settings["patients"], seed), folder, seed)
