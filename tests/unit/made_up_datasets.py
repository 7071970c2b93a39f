"""Datasets from what they hold, all in one call, and datasets with some of it changed."""

import numpy as np

from medpriv.dataset import Dataset
from medpriv.records.cohort import Cohort
from medpriv.records.images import Images
from medpriv.records.labels import Labels
from medpriv.records.signals import Signals
from medpriv.records.tables import Table
from medpriv.sources.tabular import describe_columns

_COHORT = ("patient", "site", "split", "patients", "sites", "licence", "source", "digest", "groups", "credentialed")
_ABOUT_COLUMNS = ("quasi_identifiers", "known_hours", "levels", "measured")


def put_together(
    x: np.ndarray, features: tuple[str, ...], name: str = "toy", notes: dict | None = None, **held
) -> Dataset:
    """Return a dataset of tables (x [N, F]), signals ([N, leads, samples]) or images (uint8 [N, C, H, W]).

    `held`: the attributes of cohort and labels, `centre` and `scale`; of tables `units`, `kinds` (default: numbers)
    and what else `describe_columns` takes, of signals `sampling_rate`, `time` and `valid`.
    """
    cohort = Cohort(**{key: held[key] for key in _COHORT if key in held})
    labels = Labels(held["y"], tuple(held["classes"])) if "y" in held else None
    scaling = {key: np.asarray(held[key], np.float32) for key in ("centre", "scale")}
    if x.ndim == 4:
        records = Images(x, tuple(features), **scaling)
    elif x.ndim == 3:
        beside = {key: held.get(key) for key in ("time", "valid")}
        records = Signals(x, tuple(features), held.get("sampling_rate", 100.0), **scaling, **beside)
    else:
        columns, raw = _columns(x, tuple(features), held)
        records = Table(columns, raw, **scaling, row_id=held.get("row_id"))
    return Dataset(name, cohort, records, labels, notes or {})


def with_changes(before: Dataset, **changes) -> Dataset:
    """Return a dataset with some of what `put_together` takes changed."""
    held = {key: getattr(before.cohort, key) for key in _COHORT}
    held |= {"name": before.name, "x": before.x, "features": before.features, "notes": before.notes}
    held |= {"centre": before.centre, "scale": before.scale}
    if before.labels:
        held |= {"y": before.y, "classes": before.classes}
    if before.modality == "signal":
        held |= {key: getattr(before, key) for key in ("sampling_rate", "time", "valid")}
    if before.modality == "table":
        table = before.records
        held |= {"units": before.units, "row_id": table.row_id, "known_hours": table.known_hours}
        held["kinds"] = {
            feature: f"onehot:{column.name}" if column.kind == "onehot" else column.kind
            for column in table.columns
            for feature in column.made
        }
        held["quasi_identifiers"] = [column.made[0] for column in table.columns if column.quasi_identifier]
        held["levels"] = {
            column.name: column.levels
            for column in table.columns
            if column.levels and column.codes == tuple(range(len(column.levels)))
        }
        held["measured"] = {column.name: column.measured for column in table.columns}
    return put_together(**(held | changes))


def _columns(x: np.ndarray, features: tuple[str, ...], held: dict):
    kinds = dict.fromkeys(features, "number") | (held.get("kinds") or {})
    units = dict(zip(features, held.get("units", ("",) * len(features)), strict=True))
    about = {key: held[key] for key in _ABOUT_COLUMNS if key in held}
    return describe_columns(
        dict(zip(features, x.T.astype(float), strict=True)), kinds, units, about.pop("levels", {}), x[0], **about
    )


def check_the_way_back(dataset: Dataset) -> None:
    """Assert that a source's table kept all gaps, and that its features lead back to what was found beside them."""
    table = dataset.records
    back = table.decode(table.x)
    for place, column in enumerate(table.columns):
        cells, found = table.raw[:, place], back[:, place]
        gaps = np.isnan(cells) if column.kind == "number" else cells == -1
        if column.kind != "onehot":
            assert gaps.sum() == dataset.notes["missing_cells"][column.name]
        seen = ~gaps & (np.isin(cells, np.flatnonzero(column.features)) | (column.kind != "onehot"))
        assert np.array_equal(found[seen], cells[seen].astype(np.float32))
        if column.measured:
            never = table.x[:, table.features.index(column.measured)] == 0
            assert np.isnan(found[never]).all()
