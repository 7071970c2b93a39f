"""What use a synthetic table is: ten classifiers are trained on it, and how like real records its rows are.

Protocols, figures and verdicts are those of `medpriv.measures.protocols`, likeness that of `medpriv.measures.fidelity`.
Features are those of the real table: its gaps filled and scaled by all training patients, which says a little of them
to `tstr`.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from medpriv.bank.bank import Bank
from medpriv.bank.outputs import Samples, kind_of
from medpriv.dataset import TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.measures import fidelity
from medpriv.measures.classifiers import CLASSIFIERS, CUT, fit
from medpriv.measures.findings import Findings, Rows
from medpriv.measures.marginals import MARGINAL_COLUMNS, marginals
from medpriv.measures.protocols import Collected, RealRecords, Records, measure_use
from medpriv.measures.resampled import common_share
from medpriv.synthesis.schema import Schema, cells_of

LARGEST = float(np.finfo(np.float32).max)  # of a number


def audit(dataset: Dataset, bank: Bank, reference: Bank | None, settings: Mapping[str, object], seed: int) -> Findings:
    """Measure the use of one generator's tables; see `audit_banks`, which takes several at less cost."""
    return audit_banks(dataset, [bank], settings, seed)[0]


def audit_stage(dataset: Dataset, banks: Sequence[Bank], settings: Mapping[str, object], seed: int) -> Findings:
    """Measure the use of all generators of a stage, as one; see `audit_banks`."""
    found = audit_banks(dataset, banks, settings, seed)
    return Findings.joined({bank.treatment: one for bank, one in zip(banks, found, strict=True)})


def audit_banks(dataset: Dataset, banks: Sequence[Bank], settings: Mapping[str, object], seed: int) -> list[Findings]:
    """Measure the use of several generators' tables; what hangs on the members alone is worked out once.

    Args:
        dataset: of tables.
        banks: of `Samples` with `raw` float64 [S, V] and `y` int64 [S].
        settings: those of `SyntheticUseSettings`.
        seed: the root seed; draws depend on it, the dataset's name, replicate and classifier, so generators are
            compared by the same classifiers.

    Returns:
        For each bank measures, and the tables `marginals` and `rules`.

    Raises:
        InputError: a bank holds no synthetic tables, or fewer rows than a replicate has members.
    """
    dataset.require("table", reason="the use of synthetic tables")
    real = _Real(dataset, settings, seed)
    return [_audit(bank, real) for bank in banks]


class _Real(RealRecords):
    """The rows of a table, and how like its test rows the members' own are."""

    def __init__(self, dataset: Dataset, settings: Mapping[str, object], seed: int) -> None:
        whole = Records(_standardised(dataset, dataset.records.raw), dataset.y)
        super().__init__(dataset, whole, CLASSIFIERS, fit, settings, seed)
        self.test = fidelity.TestRows(dataset)
        self._ceiling: dict[tuple, fidelity.Likeness] = {}

    def ceiling(self, replicate: int, members: np.ndarray) -> fidelity.Likeness:
        """Return how like the test rows the members' own are."""
        key = (replicate, members.tobytes())
        if key not in self._ceiling:
            own = self.rows(members)[0]
            _, whose = np.unique(self.dataset.patient[own], return_inverse=True)
            rng = self.rng(replicate, "fidelity")
            self._ceiling[key] = self.test.compare(cells_of(self.dataset, own), rng, whose)
        return self._ceiling[key]


def _standardised(dataset: Dataset, raw: np.ndarray) -> np.ndarray:
    """Return features float64 [n, F] of cells [n, V]."""
    return np.clip(fidelity.standardised(dataset, raw), -CUT, CUT)


def _audit(bank: Bank, real: _Real) -> Findings:
    """Return what was found of one bank."""
    dataset = real.dataset
    bank.check(dataset)
    places = range(min(len(bank), real.settings["replicates"]))
    members = bank.members[: len(places)]
    tables = [_synthetic_cells(bank, real, place) for place in places]
    common = common_share(members & (dataset.split == TRAIN))
    names = [str(number) for number in bank.replicates[: len(places)]]
    about = (dataset.name, bank.treatment, "")
    collected = Collected(about, names, common)
    made = [Records(_standardised(dataset, table[:, :-1]), table[:, -1].astype(int)) for table in tables]
    measure_use(collected, real, bank, made)
    numbers = bank.replicates.tolist()
    like = [real.test.compare(table, real.rng(numbers[place], "fidelity")) for place, table in enumerate(tables)]
    own = [real.ceiling(numbers[place], members[place]) for place in places]
    measures = collected.rows + fidelity.measures_of(about, real.test, like, names, common)
    measures += fidelity.measures_of(about, real.test, own, names, common, "rows=members")
    return Findings(
        measures,
        {
            "marginals": Rows(MARGINAL_COLUMNS, marginals(dataset, tables)),
            "rules": fidelity.rule_table(real.test, like, own),
        },
    )


def _synthetic_cells(bank: Bank, real: _Real, place: int) -> np.ndarray:
    """Return a replicate's synthetic cells [n_k, V + 1], as many rows as its members have."""
    if not isinstance(bank.outputs, Samples) or not {"raw", "y"} <= set(bank.outputs.arrays):
        raise InputError(
            f"synthetic tables are asked for, but its outputs are {kind_of(bank.outputs) or 'not kept'}",
            file=bank.about.file,
            remedy="measure banks of generators of tables so",
        )
    rows = int(real.rows(bank.members[place])[0].sum())
    made = bank.outputs.of(place)
    if len(made["y"]) < rows:
        raise InputError(
            f"replicate {bank.replicates[place]} has {len(made['y'])} synthetic rows for {rows} of its members",
            file=bank.about.file,
            remedy="rerun the workflow so that the generator is trained again",
        )
    cells = np.column_stack([made["raw"][:rows], made["y"][:rows].astype(np.float64)])
    if fault := next(faults_of(Schema.of(real.dataset), cells), None):
        raise InputError(
            fault,
            file=bank.about.file,
            place=f"replicate {bank.replicates[place]}",
            remedy="mend the generator: it may write what the table's schema allows, and nothing else",
        )
    return cells


def faults_of(schema: Schema, cells: np.ndarray) -> Iterator[str]:
    """Yield what a synthetic table holds that its schema has no place for."""
    for field, own in zip(schema.fields, cells.T, strict=True):
        if field.number and (np.abs(own[~np.isnan(own)]) > LARGEST).any():
            yield f"column {field.name}: a number that is infinite, or as good as"
        least = 0 if field is schema.fields[-1] else -1  # no row is without the label
        if not field.number and not np.isin(own, np.arange(least, len(field.levels))).all():
            yield f"column {field.name}: none of its {len(field.levels)} levels"
