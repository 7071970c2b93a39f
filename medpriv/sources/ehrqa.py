"""Questions and answers on patients' own records, made from MIMIC-III's tables: one text a question.

The open demo, the full, credentialed database and simulated patients take the same way: `ehrqa_tables` reads records,
`medpriv.language.questions` knows what is asked, `medpriv.language.prompts` makes texts of it.
docs/data/ehrqa.md is the data card.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.files import sha256
from medpriv.language.corpus import read_base
from medpriv.language.events import Person
from medpriv.language.prompts import Records, ask, pseudonyms, records_of
from medpriv.language.questions import KINDS
from medpriv.records.cohort import Cohort
from medpriv.records.texts import Texts
from medpriv.seeds import generator
from medpriv.sources.age import age_band
from medpriv.sources.ehrqa_tables import JOINS, TABLES, read_people
from medpriv.sources.manifest import MANIFEST, verify_raw
from medpriv.sources.mimic3_cohort import AGE_BANDS
from medpriv.sources.mimic3_tables import LICENCES, connect, is_demo, local_tables, partnerless, published_tables
from medpriv.sources.tabular import stratified_split

LICENCE = "ODbL 1.0 (the demo); PhysioNet Credentialed Health Data License 1.5.0 (the full database)"
BASE_URL = "https://physionet.org/files/mimiciii-demo/1.4/"  # the full database: .../files/mimiciii/1.4/
CHECKSUMS = "SHA256SUMS.txt"
NO_UNIT = "no intensive care"


def local_files(folder: Path) -> list[str]:
    """Return the files of the eight tables in a local folder; InputError names the first that is not there."""
    return local_tables(folder, TABLES)


def wanted(published: Collection[str]) -> list[str]:
    """Return which of the publisher's files belong to the dataset."""
    return published_tables(published, TABLES)


def parse(name: str, folder: Path, settings: dict, seed: int) -> Dataset:
    """Make the dataset from a raw folder: one record a question with its answer.

    Args:
        name: the dataset's name in the config.
        folder: the raw folder, with its manifest.
        settings: the `preprocess` section: `form`, `split`, `test_fraction`, `patients`, `questions_per_patient`,
            `vocabulary`, `block_size`, `base`.
        seed: the root seed; it decides people, questions, pseudonyms and the split, each by a generator of its own.

    Raises:
        InputError: a table is not as it should be, or too few patients have a question that fits.
    """
    folder = Path(folder)
    manifest = verify_raw(folder)
    with connect() as connection:
        people, left_out = read_people(connection, folder, settings["patients"], generator(seed, name, "people"))
        left_out |= partnerless(connection, *JOINS)
    tokenizer = read_base(settings, seed).tokenizer
    count = settings["questions_per_patient"]
    asked = [ask(person, count, generator(seed, name, "questions", person.name)) for person in people]
    names = pseudonyms(len(people), generator(seed, name, "pseudonyms"))
    records = records_of(people, asked, names, tokenizer, settings)
    people, records = _with_questions(people, records)
    if len(people) < 2:
        raise InputError(
            f"questions that fit into {settings['block_size']} tokens for {len(people)} of the two patients needed",
            file=folder,
            remedy="use a larger preprocess.block_size, or tables of more patients",
        )
    sites = sorted({_site(person) for person in people})
    site = np.array([sites.index(_site(person)) for person in people])
    rng = generator(seed, name, "split")
    by_date = settings["split"] == "date"
    split = _by_date(people, settings) if by_date else stratified_split(site, settings["test_fraction"], rng)
    owner = np.array(records.owner, dtype=np.int32)
    simulated = manifest["source"] == "simulated"
    demo = simulated or is_demo(folder)
    notes = {
        "questions_left_out": records.too_long,
        "base_patients": settings["base"]["patients"],
        "form": settings["form"],
    }
    return Dataset(
        name,
        Cohort(
            patient=owner,
            site=site[owner].astype(np.int32),
            split=split,
            patients=tuple(person.name for person in people),
            sites=tuple(sites),
            groups=_groups(people),
            licence=manifest["licence"] if simulated else LICENCES[demo],
            source=manifest["source"],
            digest=sha256(folder / MANIFEST),
            credentialed=not demo,
        ),
        Texts.encode(tokenizer, records.texts, records.question, KINDS),
        notes=notes | ({"rows_left_out": left_out} if left_out else {}),
    )


def _with_questions(people: Sequence[Person], records: Records) -> tuple[list[Person], Records]:
    """Return the people who have a question, and the records with these as owners."""
    kept = sorted(set(records.owner))
    place = {owner: index for index, owner in enumerate(kept)}
    return [people[owner] for owner in kept], records._replace(owner=[place[owner] for owner in records.owner])


def _site(person: Person) -> str:
    """Return the unit of the first admission."""
    return person.admissions[0].unit or NO_UNIT


def _by_date(people: Sequence[Person], settings: dict) -> np.ndarray:
    """Return uint8 [P]: who came last is held out. Such a split leaks: practice changes, and texts tell when."""
    order = np.argsort([person.admissions[0].admitted.timestamp() for person in people], kind="stable")
    split = np.full(len(people), TRAIN, dtype=np.uint8)
    split[order[-max(1, round(len(people) * settings["test_fraction"])) :]] = TEST
    return split


def _groups(people: Sequence[Person]) -> dict[str, tuple[str, ...]]:
    """Return each patient's sex, age band and way of the first admission."""
    firsts = [person.admissions[0] for person in people]
    return {
        "sex": tuple(person.sex for person in people),
        "age": tuple(age_band(first.age, AGE_BANDS) for first in firsts),
        "admission": tuple("elective" if first.manner == "electively" else "emergency" for first in firsts),
    }
