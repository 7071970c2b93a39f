"""Time our conditional GAN against `ctgan`, and the diffusion models, side by side in one run.

    python benchmarks/synthesis_throughput.py [--rounds N] [--epochs N] [--only gan|quality|bank|diffusion]

Made-up patients of `heart` (Cleveland). "gan": one GAN at ctgan's own batch (500), packs (10), noise and widths, on 303
and on 5,000 rows. "quality": SDMetrics' quality report of both after 300 epochs on 303 rows. "bank": sixteen replicates
of 240 rows at batch 60, packs of 10, at ctgan's width (256), a half and a quarter of it; ctgan one model after another
at the same batch and width; quality of a few of each. "diffusion": 16 and 64 models of 120 rows, sampling included. One
thread; processor seconds of fitting and generating as many rows, the set-up of encoders included; medians of the
rounds, variants in turns.
"""

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch

from medpriv.config.synthetic_neural import DiffusionSettings, GanSettings
from medpriv.dataset import Dataset
from medpriv.seeds import generator
from medpriv.sources import heart
from medpriv.sources.acquire import acquire_raw
from medpriv.synthesis import diffusion, gan
from medpriv.synthesis.schema import Schema, cells_of

BANK, ROWS, BATCH = 16, 240, 60
FEW = 2  # models of a bank that ctgan fits


def patients(count: int) -> tuple[Schema, np.ndarray]:
    """Return schema and cells of so many made-up patients."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"source": "simulated", "simulated": {"patients": {"cleveland": count}}}
        acquire_raw("heart", "heart", settings, 1, Path(folder) / "raw", Path(folder) / "scratch")
        dataset: Dataset = heart.parse("heart", Path(folder) / "raw", {"test_fraction": 0.3}, 1)
    return Schema.of(dataset), cells_of(dataset, np.arange(count))


def frame(schema: Schema, cells: np.ndarray):
    """Return a data frame for ctgan and SDMetrics: gaps of numbers, which ctgan refuses, are means."""
    import pandas as pd

    columns = {}
    for place, field in enumerate(schema.fields):
        values = cells[:, place]
        if field.number:
            columns[field.name] = np.where(np.isnan(values), np.nanmean(values), values)
        else:
            columns[field.name] = [(*field.levels, "gap")[int(code)] for code in values]
    return pd.DataFrame(columns)


def run_ours(tables: list[np.ndarray], schema: Schema, **changed: object) -> list[np.ndarray]:
    settings = GanSettings(**changed).model_dump()
    rngs = [generator(0, "gan", k) for k in range(len(tables))]
    return list(gan.synthesise(tables, schema, settings, rngs, [len(table) for table in tables]).samples)


def run_ctgan(table: np.ndarray, schema: Schema, **changed: object):
    from ctgan import CTGAN

    model = CTGAN(enable_gpu=False, **changed)
    model.fit(frame(schema, table), [field.name for field in schema.fields if not field.number])
    return model.sample(len(table))


def spent(call: Callable[[], object]) -> float:
    """Return processor seconds."""
    start = time.process_time()
    call()
    return time.process_time() - start


def compare(title: str, calls: Mapping[str, Callable[[], float]], rounds: int) -> None:
    """Print medians of all calls, and of the rounds' ratios to the last."""
    found = [{name: call() for name, call in calls.items()} for _ in range(rounds)]
    print(f"\n{title}")
    last = list(calls)[-1]
    for name in calls:
        ratio = statistics.median(one[last] / one[name] for one in found)
        print(f"  {name:44s} {statistics.median(one[name] for one in found):8.2f} s   {ratio:6.2f}x", flush=True)


def time_gan(rounds: int, epochs: int) -> None:
    for count in (303, 5000):
        schema, cells = patients(count)
        own = epochs if count < 500 else max(2, epochs // 10)
        calls = {
            "ours": partial(spent, partial(run_ours, [cells], schema, epochs=own, batch_size=500, pac=10)),
            "ctgan": partial(spent, partial(run_ctgan, cells, schema, epochs=own)),
        }
        compare(f"One GAN, batch 500, packs of 10, {count} rows, {own} epochs", calls, rounds)


def time_bank(rounds: int, epochs: int) -> None:
    schema, cells = patients(303)
    tables = [cells[generator(0, k).permutation(len(cells))[:ROWS]] for k in range(BANK)]
    shared = {"epochs": epochs, "batch_size": BATCH, "pac": 10}
    for width in (256, 128, 64):
        sizes = {"generator_dim": (width, width), "discriminator_dim": (width, width)}
        made: dict[str, list] = {}

        def ours(width: int = width, made: dict = made) -> None:
            made["ours"] = [frame(schema, own) for own in run_ours(tables, schema, width=width, **shared)[:FEW]]

        def peer(sizes: dict = sizes, made: dict = made) -> None:
            made["ctgan"] = [run_ctgan(table, schema, **shared, **sizes) for table in tables[:FEW]]

        calls = {
            "ours": lambda call=ours: spent(call) / BANK,
            f"ctgan ({FEW} measured)": lambda call=peer: spent(call) / FEW,
        }
        title = f"A model of a bank of {BANK}, {ROWS} rows, batch {BATCH}, packs of 10, width {width}, {epochs} epochs"
        compare(title, calls, rounds)
        for name, own in made.items():
            scores = [quality(schema, table, one) for table, one in zip(tables, own, strict=False)]
            print(f"  quality of the first {FEW}, {name}: {np.mean(scores):.3f}", flush=True)


def quality(schema: Schema, cells: np.ndarray, made: object) -> float:
    """Return SDMetrics' quality score of a data frame of generated rows."""
    from sdmetrics.reports.single_table import QualityReport

    kinds = {field.name: {"sdtype": "numerical" if field.number else "categorical"} for field in schema.fields}
    report = QualityReport()
    report.generate(frame(schema, cells), made, {"columns": kinds}, verbose=False)
    return report.get_score()


def score_quality(rounds: int, epochs: int) -> None:
    schema, cells = patients(303)
    print(f"\nSDMetrics' quality after {epochs} epochs on 303 rows, batch 500, packs of 10")
    own, theirs = [], []
    for seed in range(rounds):
        settings = GanSettings(epochs=epochs, batch_size=500, pac=10).model_dump()
        made = gan.synthesise([cells], schema, settings, [generator(seed)], [len(cells)]).samples[0]
        own.append(quality(schema, cells, frame(schema, made)))
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002, ctgan draws from it
        theirs.append(quality(schema, cells, run_ctgan(cells, schema, epochs=epochs)))
        print(f"  round {seed}: ours {own[-1]:.3f}, ctgan {theirs[-1]:.3f}", flush=True)
    print(f"  mean: ours {np.mean(own):.3f}, ctgan {np.mean(theirs):.3f}")


def time_diffusion() -> None:
    schema, cells = patients(303)
    settings = DiffusionSettings().model_dump()
    for count in (16, 64):
        tables = [cells[generator(0, k).permutation(len(cells))[:120]] for k in range(count)]
        rngs = [generator(1, k) for k in range(count)]
        seconds = spent(lambda t=tables, r=rngs: diffusion.synthesise(t, schema, settings, r, [600] * len(t)))
        print(f"\n{count} diffusion models, {settings['updates']} updates, 600 rows each: {seconds:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--only", choices=["gan", "quality", "bank", "diffusion"], help="one part")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    if options.only in (None, "gan"):
        time_gan(options.rounds, options.epochs)
    if options.only in (None, "quality"):
        score_quality(options.rounds, options.epochs)
    if options.only in (None, "bank"):
        time_bank(options.rounds, options.epochs)
    if options.only in (None, "diffusion"):
        time_diffusion()


if __name__ == "__main__":
    main()
