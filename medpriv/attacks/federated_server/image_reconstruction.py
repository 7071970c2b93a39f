"""Gradient inversion of images tried: single ones and a few together, the network as drawn and as trained, undefended,
under DP-SGD and under secure aggregation.

Every attack stands beside two baselines that see no update: the mean public image (`mode`) and public images
(`random`). Of several images those found are paired with the true ones so as to lie as near as they can, for the
baselines too. As for tables, what an attack recovers is `match`, here the share of pixels within 0.319 standard
deviations, and its `gain` over the better baseline; besides

- `psnr`, decibels, and `ssim`: means over images in whole grey levels (`medpriv.measures.image_quality`);
- `identified`: the share of images found that are nearer to the true one than to every public one.

DLG and iDLG are tried on single images at the network as drawn alone: further on they are weaker than cosine, which
is tried everywhere.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from medpriv.attacks.federated_server.client_updates import ClientUpdate, Protection
from medpriv.attacks.federated_server.image_inversion import IMAGE_SEARCHES, PublicImages, search_images
from medpriv.attacks.federated_server.inversion import pair_records
from medpriv.attacks.federated_server.reconstruction import (
    BASELINES,
    InversionSetting,
    InversionTask,
    mean_measure,
    simulated,
)
from medpriv.measures.image_quality import psnr, ssim
from medpriv.measures.table import Measure
from medpriv.pictures import png_text

IMAGE_COLUMNS = ("attack", "setting", "record", "true", "found", "psnr")  # true and found: PNG in base64
SPARE = 2  # updates of single images beyond those asked for, since some may be of one patient; of several: half as many
PICTURES = 4  # of each attack and setting


def image_settings_of(
    chosen: Mapping, defence: str, whole: bool, protections: Mapping[str, Protection]
) -> list[InversionSetting]:
    """Return the settings that a federation of images is tried in.

    Args:
        chosen: `image_batches`.
        defence: the federation's own: `none`, `dp` or `secure`.
        whole: try the other defences too, on the smallest batch at the network as drawn.
        protections: by name: the federation's own, and all three if `whole`.
    """
    sizes = sorted(set(chosen["image_batches"]))
    found = [
        InversionSetting(model, size, 1, protections[defence], defence) for model in ("start", "end") for size in sizes
    ]
    if whole:
        found += [InversionSetting("start", sizes[0], 1, protections[name], name) for name in ("dp", "secure")]
    return found


def reconstruct_images(task: InversionTask, setting: InversionSetting) -> tuple[list[Measure], list[dict]]:
    """Return measures of every attack in one setting, and the rows of some examples (columns `IMAGE_COLUMNS`)."""
    targets = task.settings["targets"] + SPARE if setting.batch == 1 else -(-task.settings["targets"] // 2)
    task = replace(task, settings={**task.settings, "targets": targets})
    update, public = simulated(task, setting), task.encoding
    shares, measures, examples = {}, [], []
    for attack, found in _attempts(task, setting, update):
        paired = np.stack([_paired(images, true) for images, true in zip(found, update.x, strict=True)])
        shares[attack] = public.matches(paired, update.x).mean(axis=(1, 2))
        figures, shown = _figures(public, paired, update.x)
        figures["match"] = shares[attack]
        measures += [mean_measure(task, setting, attack, name, value, update.rows) for name, value in figures.items()]
        examples += [{"attack": f"inversion-{attack}", "setting": setting.group} | row for row in shown]
    best = max((shares[name] for name in BASELINES), key=np.mean)
    for attack, own in shares.items():
        if attack not in BASELINES:
            measures.append(mean_measure(task, setting, attack, "gain", own - best, update.rows))
    return measures, examples


def _attempts(task: InversionTask, setting: InversionSetting, update: ClientUpdate) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name of each attack and baseline and its images, [R, at least B, C, H, W], standardised."""
    public, (targets, images) = task.encoding, update.labels.shape
    alone = setting.batch == 1 and setting.model == "start" and setting.name == "none"
    for method in IMAGE_SEARCHES if alone else ("cosine",):
        rng = task.generator(setting, setting.name, method)
        about = (len(task.dataset.classes), rng, task.settings["image_steps"])
        yield method, search_images(method, update.observed, public, update.labels, *about)
    yield "mode", np.broadcast_to(public.typical, update.x.shape)
    drawn = public.drawn(targets * images, task.generator(setting, "random"))
    yield "random", drawn.reshape(targets, images, *drawn.shape[1:])


def _paired(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return of images found [B', C, H, W] the partners of the true ones [B, C, H, W], in their order."""
    return found[pair_records(found.reshape(len(found), -1), true.reshape(len(true), -1))]


def _figures(public: PublicImages, found: np.ndarray, true: np.ndarray) -> tuple[dict[str, np.ndarray], list[dict]]:
    """Return the means of each update [R] by measure, and the first images as pictures."""
    own, made = public.levels(true), public.levels(found)
    ratio = psnr(made, own)
    means = {
        "psnr": ratio.mean(axis=1),
        "ssim": ssim(made, own).mean(axis=1),
        "identified": public.identified(found, true).mean(axis=1),
    }
    places = [(update, place) for update in range(len(true)) for place in range(true.shape[1])][:PICTURES]
    shown = [
        {"record": number, "true": png_text(own[at]), "found": png_text(made[at]), "psnr": float(ratio[at])}
        for number, at in enumerate(places, start=1)
    ]
    return means, shown
