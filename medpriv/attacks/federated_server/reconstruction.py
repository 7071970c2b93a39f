"""Gradient inversion tried in the settings that matter: batch size, local steps, DP-SGD, secure aggregation, and the
whole round that the federation's smallest client takes.

Every attack stands beside two baselines that see no update: the typical record of public data (`mode`), and records
drawn from it variable by variable (`random`), as many as the attack may offer. Records found are paired with the true
ones so as to lie as near as they can, for the baselines too.

Measures: `match`, the share of variables recovered (all, and by kind: numbers to 0.319 standard deviations, categories
by their nearest state); `rows`, the share of records recovered whole; `gain`, match minus the better baseline's, paired
by update. Intervals are bootstraps over updates; n counts the different records behind them that are asked for,
`patients` the people they are of. For images see `image_reconstruction` beside this module.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from medpriv.attacks.federated_server.client_updates import NOTHING, ClientUpdate, Protection, simulate_updates
from medpriv.attacks.federated_server.encoding import Encoding
from medpriv.attacks.federated_server.image_inversion import PublicImages
from medpriv.attacks.federated_server.inversion import SEARCHES, invert_analytic, pair_records, search
from medpriv.dataset import Dataset
from medpriv.measures.image_quality import EQUAL_DB
from medpriv.measures.intervals import draw_patients, holding, percentile_interval, rate_interval, stretched_interval
from medpriv.measures.table import Measure
from medpriv.models.network import Network
from medpriv.seeds import generator

EXAMPLE_COLUMNS = ("attack", "setting", "feature", "unit", "true", "found")
BASELINES = ("mode", "random")
BOUNDS = {"psnr": (0.0, EQUAL_DB), "ssim": (-1.0, 1.0)}  # what the measures that are no rates can be


@dataclass(frozen=True)
class InversionSetting:
    """One way in which clients answer.

    Attributes:
        model: `start`, the network as drawn, or `end`, as the federation leaves it.
        batch: records of one client.
        steps: steps before it answers.
        protection: what stands between.
        name: of the protection: `none`, `dp` or `secure`.
        part: records a step; None: all of them, at every step.
    """

    model: str
    batch: int
    steps: int = 1
    protection: Protection = NOTHING
    name: str = "none"
    part: int | None = None

    @property
    def group(self) -> str:
        """The measure's group."""
        about = f"model={self.model},batch={self.batch},steps={self.steps},defence={self.name}"
        return about if self.part is None else f"{about},part={self.part}"


@dataclass(frozen=True)
class InversionTask:
    """What all settings share.

    Attributes:
        encoding: of a table's columns, or what is known of images.
        models: `start` and `end`: name -> float32 [R, ...], one model an update to invert.
        holder: int [N], each record's client.
        rows: int, the training records.
    """

    dataset: Dataset
    treatment: str
    network: Network
    encoding: Encoding | PublicImages
    models: Mapping[str, Mapping[str, np.ndarray]]
    holder: np.ndarray
    rows: np.ndarray
    learning_rate: float
    settings: Mapping
    seed: int

    def generator(self, setting: InversionSetting, *purpose: object) -> np.random.Generator:
        """Return the generator of one purpose; the records of a batch are the same under every protection."""
        return generator(self.seed, self.dataset.name, "inversion", setting.model, setting.batch, *purpose)


def settings_of(
    chosen: Mapping, defence: str, whole: bool, protections: Mapping[str, Protection], round_: Mapping[str, int]
) -> list[InversionSetting]:
    """Return the settings that a federation is tried in.

    Args:
        chosen: `batches`, `local_steps`.
        defence: the federation's own: `none`, `dp` or `secure`.
        whole: try every batch size and number of steps, and the other defences too; else the two extreme sizes.
        protections: by name: the federation's own, and all three if `whole`.
        round_: `batch`, `steps`, `part` of the smallest client's round; looked at under `none` and `secure` alone.
    """
    sizes = sorted(chosen["batches"])
    usual = sizes[min(1, len(sizes) - 1)]
    if not whole:
        ends = sorted({sizes[0], sizes[-1]})
        own = [
            InversionSetting(model, size, 1, protections[defence], defence)
            for model in ("start", "end")
            for size in ends
        ]
        rounds = [replace(one, **round_) for one in own if one.batch == ends[0] and defence == "secure"]
        return own + rounds
    found = []
    for model in ("start", "end"):
        found += [InversionSetting(model, batch) for batch in sizes]
        found += [InversionSetting(model, usual, steps) for steps in chosen["local_steps"] if steps > 1]
        found += [InversionSetting(model, batch, 1, protections["dp"], "dp") for batch in {sizes[0], usual}]
        found += [
            InversionSetting(model, batch, 1, protections["secure"], "secure") for batch in {sizes[0], usual, sizes[-1]}
        ]
        found += [
            InversionSetting(model, protection=protections[name], name=name, **round_) for name in ("none", "secure")
        ]
    return sorted(set(found), key=lambda setting: (setting.model, setting.name, setting.batch, setting.steps))


def reconstruct(task: InversionTask, setting: InversionSetting) -> tuple[list[Measure], list[dict]]:
    """Return measures of every attack in one setting, and the rows of an example (columns `EXAMPLE_COLUMNS`)."""
    update = simulated(task, setting)
    shares, measures, examples = {}, [], []
    for attack, found in _attempts(task, setting, update):
        paired = np.stack([records[pair_records(records, true)] for records, true in zip(found, update.x, strict=True)])
        matched = task.encoding.matches(paired, update.x)
        shares[attack] = _by_update(matched)
        measures += _measures(task, setting, attack, matched, update.rows)
        if attack not in BASELINES:
            examples += _example(task, setting, attack, update.x[0, 0], paired[0, 0])
    best = max((shares[name] for name in BASELINES), key=np.mean)
    for attack, own in shares.items():
        if attack not in BASELINES:
            measures.append(mean_measure(task, setting, attack, "gain", own - best, update.rows))
    return measures, examples


def simulated(task: InversionTask, setting: InversionSetting) -> ClientUpdate:
    """Return the updates, each of another client (or group of clients) and other records."""
    rng, targets = task.generator(setting, "records"), task.settings["targets"]
    clients = np.unique(task.holder[task.rows])
    rows = np.empty((targets, setting.protection.clients, setting.batch), int)
    for target in range(targets):
        asked = np.roll(clients, -target)[: setting.protection.clients]
        for place, client in enumerate(np.resize(asked, setting.protection.clients)):
            own = task.rows[task.holder[task.rows] == client]
            rows[target, place] = rng.choice(own, setting.batch, replace=len(own) < setting.batch)
    held = {name: value[np.arange(targets) % len(value)] for name, value in task.models[setting.model].items()}
    noise = task.generator(setting, "noise", setting.name)
    return simulate_updates(
        task.dataset,
        task.network,
        held,
        rows,
        setting.steps,
        setting.part or setting.batch,
        task.learning_rate,
        setting.protection,
        noise,
    )


def _attempts(task: InversionTask, setting: InversionSetting, update: ClientUpdate) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name of each attack and baseline and its records, [R, at least B, F], standardised."""
    targets, records = update.labels.shape
    found = invert_analytic(update.observed)
    yield "analytic", np.repeat(found, setting.batch, axis=1)
    restarts = task.settings["restarts"] if setting.part is None else 1  # over a round's many records starts are alike
    for method in SEARCHES:
        rng = task.generator(setting, setting.name, setting.steps, method)
        about = (len(task.dataset.classes), rng, task.settings["steps"], restarts)
        yield method, search(method, update.observed, task.encoding, update.labels, *about)
    yield "mode", np.tile(task.encoding.typical, (targets, setting.batch, 1))
    drawn = task.encoding.drawn(targets * records, task.generator(setting, "random"))
    yield "random", drawn.reshape(targets, records, -1)


def _by_update(matched: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return float64 [R]: the share of all variables recovered."""
    return np.concatenate([*matched.values()], axis=-1).mean(axis=(1, 2))


def _measures(
    task: InversionTask, setting: InversionSetting, attack: str, matched: Mapping[str, np.ndarray], rows: np.ndarray
) -> list[Measure]:
    whole = np.concatenate([*matched.values()], axis=-1)
    found = [
        mean_measure(task, setting, attack, "match", _by_update(matched), rows),
        mean_measure(task, setting, attack, "rows", whole.all(axis=-1).mean(axis=1), rows),
    ]
    for kind, part in matched.items():
        found.append(mean_measure(task, setting, attack, "match", part.mean(axis=(1, 2)), rows, f",kind={kind}"))
    return found


def mean_measure(
    task: InversionTask,
    setting: InversionSetting,
    attack: str,
    measure: str,
    values: np.ndarray,
    rows: np.ndarray,
    more: str = "",
) -> Measure:
    """Return the mean over updates with its bootstrap interval, widened as `medpriv.measures.intervals` says.

    Args:
        values: float64 [R].
        rows: int [R, B], the records asked for.
    """
    rng = generator(task.seed, task.dataset.name, "inversion", "bootstrap")
    value, updates = float(values.mean()), len(values)
    draws = draw_patients(rng, updates, task.settings["bootstraps"]) @ values / updates
    if measure == "gain":
        limits = holding(value, percentile_interval(draws))
    elif measure in BOUNDS:
        limits = stretched_interval(value, draws, updates, bounds=BOUNDS[measure])
    else:
        limits = rate_interval(value, draws, updates)
    about = (task.dataset.name, task.treatment, f"inversion-{attack}", measure)
    counted = {"n": len(np.unique(rows)), "patients": len(np.unique(task.dataset.patient[rows]))}
    return Measure(*about, value, *limits, group=setting.group + more, **counted)


def _example(
    task: InversionTask, setting: InversionSetting, attack: str, true: np.ndarray, found: np.ndarray
) -> list[dict]:
    """Return one true record and what was made of it, in the dataset's units."""
    dataset = task.dataset
    pairs = zip(true * dataset.scale + dataset.centre, found * dataset.scale + dataset.centre, strict=True)
    return [
        {"attack": f"inversion-{attack}", "setting": setting.group, "feature": feature, "unit": unit}
        | {"true": float(own), "found": float(made)}
        for feature, unit, (own, made) in zip(dataset.features, dataset.units, pairs, strict=True)
    ]
