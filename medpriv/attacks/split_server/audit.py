"""The audit of one split bank: all attacks at the cut on a few of its replicates; see the modules beside this one.

| attack | the server | has | during or after training |
| --- | --- | --- | --- |
| `cut-correlation` | (no attacker) | | after |
| `cut-decoder` | curious | public records with their activations | after |
| `cut-inversion` | curious | the clients' layers | after |
| `cut-inversion-public` | curious | the clients' layers, public records | after |
| `cut-inversion-repeated` | curious | as above, and every activation several times, with fresh noise | during |
| `cut-unsplit` | curious | the shape of the clients' layers | after |
| `cut-unsplit-start` | curious | the layers that the training began from | after |
| `cut-fsha` | malicious | public records, the shape of the clients' layers | during |
| `cut-fsha-start` | malicious | public records, the layers that the training began from | during |
| `cut-labels-*` | curious, U-shaped | a few labels | during |
| `cut-membership-*` | curious | public records, shadow replicates | after |
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch

from medpriv.attacks.split_server.context import SplitAttackContext, build_context
from medpriv.attacks.split_server.correlation import correlate
from medpriv.attacks.split_server.hijacking import hijack
from medpriv.attacks.split_server.labels import infer_labels
from medpriv.attacks.split_server.membership import infer_members
from medpriv.attacks.split_server.reconstruction import decode, invert, unsplit
from medpriv.attacks.split_server.scores import ReconstructionScorer, measure_records
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.measures.findings import Findings, Rows
from medpriv.measures.image_quality import in_grey_levels, psnr
from medpriv.pictures import png_text
from medpriv.seeds import generator

# From the context and the settings to the victims' records as found, float32 [R, n, F], standardised.
RECONSTRUCTIONS: dict[str, Callable[[SplitAttackContext, Mapping], np.ndarray]] = {
    "decoder": decode,
    "inversion": lambda context, settings: invert(context, settings, public=False),
    "inversion-public": lambda context, settings: invert(context, settings, public=True),
    "inversion-repeated": lambda context, settings: invert(context.averaged(settings["looks"]), settings, public=True),
    "unsplit": lambda context, settings: unsplit(context, settings, handed_out=False),
    "unsplit-start": lambda context, settings: unsplit(context, settings, handed_out=True),
    "fsha": lambda context, settings: hijack(context, settings, handed_out=False),
    "fsha-start": lambda context, settings: hijack(context, settings, handed_out=True),
}
BY_FEATURE = ("decoder", "inversion-public")
EXAMPLE_COLUMNS = ("attack", "record", "feature", "unit", "true", "found")
IMAGE_COLUMNS = ("attack", "record", "true", "found", "psnr")  # true and found: PNG in base64
PICTURES = 4  # of each attack


def audit(dataset: Dataset, bank: Bank, settings: dict[str, object], seed: int) -> Findings:
    """Attack a bank of `medpriv.treatments.split` with everything.

    Args:
        settings: the `cut` section of the config.
        seed: the root seed, that the bank was trained with: its clients' layers and batches are drawn again.

    Returns:
        Measures, and the table `examples`: what the server sees of the first replicate's first victim, of images as
        pictures of the first `PICTURES`; empty of signals and of a credentialed dataset.
    """
    if dataset.modality == "image":
        settings = settings | {
            "records": settings["image_records"],
            "replicates": min(settings["replicates"], 2),
            "unsplit_rounds": settings["image_unsplit_rounds"],
            "fsha_updates": settings["image_fsha_updates"],
        }
    context = build_context(dataset, bank, settings, seed)
    rng = generator(seed, dataset.name, "cut", "bootstrap")
    crossed = PatientBootstrap.draw(rng, len(dataset.patients), settings["bootstraps"], len(context.replicates))
    scorer = ReconstructionScorer(context, bank.treatment, crossed)
    measures, examples = correlate(context, bank.treatment), []
    for name in reconstructions(context):
        found = RECONSTRUCTIONS[name](context, settings)
        measures += measure_records(scorer, name, found, by_feature=name in BY_FEATURE)
        if dataset.modality == "table" and not dataset.credentialed:
            examples += _example(context, name, found[0, 0])
        elif dataset.modality == "image" and not dataset.credentialed:
            examples += _pictures(context, name, found[0, :PICTURES])
    if context.split.parts.head is not None:
        measures += infer_labels(scorer, settings["known_labels"])
    measures += infer_members(dataset, bank, context.split, context.public, settings, seed)
    columns = IMAGE_COLUMNS if dataset.modality == "image" else EXAMPLE_COLUMNS
    return Findings(measures, {"examples": Rows(columns, examples)})


def reconstructions(context: SplitAttackContext) -> tuple[str, ...]:
    """Return the reconstructions that make sense: looking again tells something new where there is noise alone."""
    return tuple(name for name in RECONSTRUCTIONS if context.noise_deviation or name != "inversion-repeated")


def _pictures(context: SplitAttackContext, name: str, found: np.ndarray) -> list[dict]:
    """Return a row for each of the first replicate's first victims; `found`: float32 [n, F], standardised."""
    dataset, rows = context.dataset, context.victims[0, : len(found)]
    laid = torch.from_numpy(found).view(-1, *context.x.shape[1:])
    made = in_grey_levels(context.split.parts.whole.restore(laid).numpy(), dataset.centre, dataset.scale)
    return [
        {"attack": f"cut-{name}", "record": number, "true": png_text(true), "found": png_text(own)}
        | {"psnr": float(psnr(own, true))}
        for number, (true, own) in enumerate(zip(dataset.x[rows], made, strict=True), start=1)
    ]


def _example(context: SplitAttackContext, name: str, found: np.ndarray) -> list[dict]:
    """Return the rows of the first replicate's first victim, in units; `found`: float32 [F], standardised."""
    dataset = context.dataset
    true, found = dataset.x[context.victims[0, 0]], found * dataset.scale + dataset.centre
    return [
        {
            "attack": f"cut-{name}",
            "record": 1,
            "feature": feature,
            "unit": unit,
            "true": float(is_),
            "found": float(guess),
        }
        for feature, unit, is_, guess in zip(dataset.features, dataset.units, true, found, strict=True)
    ]
