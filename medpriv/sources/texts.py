"""Your own texts: a table with a column of patients and one of texts, or one of questions and one of answers.

docs/data/own-texts.md shows how to use it. Such a dataset is always treated as credentialed. Cells are read by
`table_file`, whose they are is checked by `own_rows`. The tokenizer is trained on base texts
(`medpriv.language.corpus`), never on yours.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from medpriv.dataset import TEST, Dataset
from medpriv.errors import InputError
from medpriv.files import sha256
from medpriv.language.corpus import read_base
from medpriv.language.tokenizer import Tokenizer
from medpriv.records.cohort import Cohort
from medpriv.records.texts import Texts
from medpriv.seeds import generator
from medpriv.sources.manifest import MANIFEST, verify_raw
from medpriv.sources.names import is_gap, is_garbled, plain
from medpriv.sources.own_rows import SIDES, FaultList, check_cells, check_split, given_split, groups_of
from medpriv.sources.table_file import ENDINGS, read_table
from medpriv.sources.tabular import stratified_split

LICENCE = "its owner's; not stated"
ROLES = ("patient", "text", "question", "answer", "kind", "site", "sex", "age", "split")
_NO_KIND = "any"


def local_files(path: Path) -> list[str]:
    """Return the name of the one file that `path` is."""
    path = Path(path)
    if not (path.is_file() and path.name.lower().endswith(ENDINGS)):
        raise InputError(
            "not a .csv or .parquet file" if path.exists() else "no such file",
            file=path,
            remedy=f"set raw.path to a table with a row a text, a file that ends in {', '.join(ENDINGS)}",
        )
    return [path.name]


def parse(name: str, folder: Path, settings: dict, seed: int) -> Dataset:
    """Make the dataset from a raw folder with one table: one record a row.

    Args:
        name: the dataset's name in the config.
        folder: the raw folder, with its manifest.
        settings: the `preprocess` section: columns `patient`, either `text` or `question` and `answer`, and `kind` (of
            question), `site`, `sex`, `age`, `split`, each of which may be None; `test_fraction`, `vocabulary`,
            `block_size`, `base`.
        seed: the root seed; it decides a random split, by patient, stratified by site.

    Raises:
        InputError: the file is no table in UTF-8, a column is missing, or cells cannot be used: all faults.
    """
    folder = Path(folder)
    manifest = verify_raw(folder)
    path = folder / next(file for file in manifest["files"])
    columns = {role: settings[role] for role in ROLES if settings.get(role) is not None}
    cells = _cells(path, columns)
    places = [f"{path.name}, row {row}" for row in range(1, len(cells["patient"]) + 1)]
    tokenizer = read_base(settings, seed).tokenizer
    records = _records(cells, columns, places, tokenizer, settings["block_size"], folder)
    patients, patient = np.unique(cells["patient"], return_inverse=True)
    if len(patients) < 2:
        raise InputError(
            "all texts are of one patient, so that nobody else is there to be told from",
            file=path,
            place=f"column {columns['patient']}",
            remedy="give texts of two patients or more, better of a few hundred",
        )
    sites, site = np.unique([plain(one) for one in cells.get("site", ["all"] * len(patient))], return_inverse=True)
    _, earliest = np.unique(patient, return_index=True)
    kinds, kind = np.unique([_kind(cell) for cell in cells.get("kind", [""] * len(patient))], return_inverse=True)
    texts = Texts.encode(tokenizer, records, kind.tolist(), kinds.tolist())
    rng = generator(seed, name, "split")
    split = (
        _given(cells["split"], patient, patients, places, folder, columns["split"])
        if "split" in cells
        else stratified_split(site[earliest], settings["test_fraction"], rng)
    )
    return Dataset(
        name,
        Cohort(
            patient=patient.astype(np.int32),
            site=site.astype(np.int32),
            split=split,
            patients=tuple(patients.tolist()),
            sites=tuple(sites.tolist()),
            licence=manifest["licence"],
            source=manifest["source"],
            digest=sha256(folder / MANIFEST),
            groups=groups_of(cells, earliest),
            credentialed=True,
        ),
        texts,
        notes={"base_patients": settings["base"]["patients"]} | _copies(records, patient, split),
    )


def _cells(path: Path, columns: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the cells of each role, without outer blanks."""
    table = {column.name: column for column in read_table(path).columns}
    if missing := sorted({column for column in columns.values() if column not in table}):
        raise InputError(
            f"no column {', '.join(missing)}",
            file=path,
            place="the header",
            remedy=f"name its columns under preprocess; it has {', '.join(list(table)[:10])}",
        )
    return {role: [str(text) for text in table[name].texts[table[name].code]] for role, name in columns.items()}


def _records(
    cells: Mapping[str, list[str]],
    columns: Mapping[str, str],
    places: Sequence[str],
    tokenizer: Tokenizer,
    block_size: int,
    folder: Path,
) -> list[tuple[str, str]]:
    """Return (prompt, answer) of each row; a text alone has no prompt. All faults of cells are told together."""
    faults = FaultList(folder)
    check_cells(dict(cells), dict(columns), places, faults)
    written = [role for role in ("text", "question", "answer") if role in cells]
    for role in written:
        for cell, place in zip(cells[role], places, strict=True):
            if not cell:  # "none" may well be an answer
                faults.add(f"{place}, column {columns[role]}", f"an empty {role}", "write it, or take the row out")
            elif is_garbled(cell):
                problem = "letters were lost when it was saved"
                faults.add(f"{place}, column {columns[role]}", problem, "save the table as UTF-8 from its source")
    answers = cells["text" if "text" in cells else "answer"]
    prompts = cells.get("question", [""] * len(answers))
    records = list(zip(prompts, answers, strict=True))
    lengths = [len(tokenizer.encode(prompt)) + len(tokenizer.encode(answer)) + 2 for prompt, answer in records]
    for place, length in zip(places, lengths, strict=True):
        if length > block_size:
            remedy = f"set preprocess.block_size to {max(lengths)} or more, or cut the texts into shorter rows"
            faults.add(place, f"{length} tokens, and preprocess.block_size is {block_size}", remedy)
    faults.refuse()
    return records


def _kind(cell: str) -> str:
    return _NO_KIND if is_gap(cell) else plain(cell)


def _given(
    sides: Sequence[str], patient: np.ndarray, patients: Sequence[str], places: Sequence[str], folder: Path, column: str
) -> np.ndarray:
    """Return uint8 [P], the split that a column gives."""
    tested = np.array([SIDES[side.casefold()] == TEST for side in sides])
    remedy = f"keep a patient's rows on one side in column {column}, or leave preprocess.split empty"
    faults = FaultList(folder)
    check_split(tested, patient, places, faults, remedy)
    faults.refuse()
    return given_split(patient, tested, patients, folder, remedy, what="text")


def _copies(records: Sequence[tuple[str, str]], patient: np.ndarray, split: np.ndarray) -> dict[str, int]:
    """Return how many texts stand there more than once, and how many of the test part are in the training part, too."""
    sides: dict[tuple[str, str], list[int]] = {}
    for record, owner in zip(records, patient, strict=True):
        sides.setdefault(record, []).append(int(split[owner]))
    return {
        "texts_that_copy_another": sum(len(found) - 1 for found in sides.values()),
        "test_texts_that_copy_a_training_text": sum(
            found.count(TEST) for found in sides.values() if len(set(found)) > 1
        ),
    }
