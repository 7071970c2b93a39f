"""MIMIC-III's tables of patients made here: who they are in `mimic3_hospital`, what is measured in `mimic3_charts`."""

from itertools import chain
from pathlib import Path

from medpriv.seeds import generator
from medpriv.simulate.mimic3_charts import CHARTEVENTS, D_ITEMS, D_LABITEMS, LABEVENTS, dictionary_rows, draw_charts
from medpriv.simulate.mimic3_hospital import draw_people, write_admissions, write_stays, write_table


def simulate(settings: dict, folder: Path, seed: int) -> None:
    """Write the seven tables of `settings["patients"]` patients into `folder`; no patient depends on the others."""
    people = draw_people(settings["patients"], seed)
    write_admissions(people, folder, seed)
    write_stays(people, folder)
    drawn = [
        draw_charts(person, visit, generator(seed, "charts", visit.icustay))
        for person in people
        for visit in person.visits
    ]
    write_table(folder, "CHARTEVENTS", CHARTEVENTS, chain.from_iterable(charts for charts, _ in drawn))
    write_table(folder, "LABEVENTS", LABEVENTS, chain.from_iterable(labs for _, labs in drawn))
    items, laboratory = dictionary_rows()
    write_table(folder, "D_ITEMS", D_ITEMS, items)
    write_table(folder, "D_LABITEMS", D_LABITEMS, laboratory)
