"""SDV's synthesizers (Patki et al. 2016): the Gaussian copula, CTGAN and TVAE (Xu et al. 2019), table after table.

What is released here is what SDV 2.0 makes with its own settings, but for those named in the config: the metadata say
of each column what the schema says and nothing is detected; numbers are kept inside what the rows hold, and rounded as
they are; gaps of numbers come back with the column's share, wherever they fall, gaps of categories as one more level.
SDV takes its randomness from states of its own, fixed ones where nobody sets them; all that can be set are set from the
replicate's generator, and those of NumPy and torch are as before when the call returns.

SDV is licensed under the Business Source License 1.1. Importing it takes seconds, so all three are made in one job.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from medpriv.errors import InputError
from medpriv.synthesis.schema import Field, Schema, Synthesis
from medpriv.synthesis.tables import check_tables, finish

SYNTHESIZERS = {"copula": "GaussianCopulaSynthesizer", "ctgan": "CTGANSynthesizer", "tvae": "TVAESynthesizer"}
_KEYS = {"epochs": "epochs", "batch_size": "batch_size", "pac": "pac", "embedding": "embedding_dim"}
_LEAST = 2  # columns that vary
_NAME = "column{}"  # what SDV is told; a column may be called as the label is


def synthesise(
    name: str,
    tables: Sequence[np.ndarray],
    schema: Schema,
    settings: Mapping[str, object],
    rngs: Sequence[np.random.Generator],
    rows: Sequence[int],
) -> Synthesis:
    """Return tables drawn by one of SDV's synthesizers, fitted to each table by itself.

    A column with one value in all rows, or gaps alone, is not shown to SDV and comes back as it is.

    Args:
        name: one of `SYNTHESIZERS`.
        settings: of `medpriv.config.synthetic_sdv.SdvSettings`, that section; the copula has none.
        tables, schema, rngs, rows: see `medpriv.synthesis`.

    Raises:
        InputError: a table is none of this schema, or a batch that the synthesizer can't cut up.
    """
    check_tables(tables, schema, f"sdv-{name}")
    check_batch(name, settings)
    made = [
        _fit_and_draw(name, cells, schema, settings, rng, count)
        for cells, rng, count in zip(tables, rngs, rows, strict=True)
    ]
    costs = {} if name == "copula" else {"updates": float(np.mean([_updates(cells, settings) for cells in tables]))}
    return Synthesis(made, costs)


def check_batch(name: str, settings: Mapping[str, object]) -> None:
    """Refuse a batch that CTGAN can't cut into packs and halves."""
    batch, pac = settings.get("batch_size", 0), settings.get("pac", 1)
    if batch % pac or (name == "ctgan" and batch % 2):
        step = int(np.lcm(pac, 2))
        raise InputError(
            f"a batch of {batch} rows can't be cut into halves and packs of {pac}",
            file="config",
            place=f"synthetic.sdv.{name}.batch_size",
            remedy=f"take a multiple of {step}, such as {max(step, round(batch / step) * step)}, or another `pac`",
        )


def _updates(cells: np.ndarray, settings: Mapping[str, object]) -> int:
    return settings["epochs"] * max(1, len(cells) // settings["batch_size"])


def _fit_and_draw(
    name: str, cells: np.ndarray, schema: Schema, settings: Mapping[str, object], rng: np.random.Generator, count: int
) -> np.ndarray:
    """Return rows [count, V + 1] of a synthesizer fitted to cells [n, V + 1]."""
    import sdv.single_table
    from sdv.metadata import Metadata

    drawn = np.repeat(cells[:1], count, axis=0)
    varying = [place for place, column in enumerate(cells.T) if len(np.unique(column)) > 1]  # NaN counts as one value
    if len(varying) < _LEAST:
        return drawn
    fields = [schema.fields[place] for place in varying]
    metadata = Metadata.load_from_dict({"tables": {"table": {"columns": _described(fields)}}})
    own = {_KEYS[key]: value for key, value in settings.items()}
    own |= {} if name == "copula" else {"enable_gpu": False}
    seeds = rng.integers(2**31, size=3)
    with _quiet(), _states(int(seeds[0])):
        synthesizer = getattr(sdv.single_table, SYNTHESIZERS[name])(metadata, **own)
        synthesizer.fit({"table": _frame(cells[:, varying], fields)})
        # Without this every synthesizer draws from the same fixed state: SDV sets it at the first sample.
        synthesizer._set_random_state(int(seeds[1]))
        for place, (_, transformer) in enumerate(sorted(synthesizer.get_transformers().items())):
            if transformer is not None:
                state = np.random.RandomState(int(seeds[2]) + place)
                transformer.set_random_state(state, "reverse_transform")
        frame = synthesizer.sample(count)["table"]
    for position, (place, field) in enumerate(zip(varying, fields, strict=True)):
        values = frame[_NAME.format(position)].to_numpy(dtype=float, na_value=np.nan)
        drawn[:, place] = values if field.number else np.where(np.isnan(values), -1, values)
    return finish(drawn, schema, cells)


def _described(fields: Sequence[Field]) -> dict[str, dict[str, str]]:
    kinds = ["numerical" if field.number else "categorical" for field in fields]
    return {_NAME.format(place): {"sdtype": kind} for place, kind in enumerate(kinds)}


def _frame(cells: np.ndarray, fields: Sequence[Field]) -> "pandas.DataFrame":  # noqa: F821
    """Return cells as SDV reads them: numbers with NaN, levels by their place as a text, None for a gap."""
    import pandas as pd

    columns = {}
    for place, (field, column) in enumerate(zip(fields, cells.T, strict=True)):
        texts = [None if cell < 0 else str(int(cell)) for cell in column] if not field.number else None
        columns[_NAME.format(place)] = column if field.number else pd.Series(texts, dtype=object)
    return pd.DataFrame(columns)


@contextlib.contextmanager
def _states(seed: int) -> Iterator[None]:
    """Seed the global states of NumPy and torch, which SDV fits with, and put back what they were."""
    import torch

    before, torch_before = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002 (what SDV draws from)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
        torch.set_rng_state(torch_before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep progress bars and advice for people at a keyboard out of the log."""
    logging.getLogger("sdv").setLevel(logging.ERROR)
    told = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stderr(told), contextlib.redirect_stdout(told):
        warnings.simplefilter("ignore")
        yield
