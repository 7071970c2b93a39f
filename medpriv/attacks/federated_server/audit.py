"""The audit of a federation's server: a few replicates are federated again, and the server's view is attacked.

- `membership-updates`, on patients, scored as every membership attack is (`medpriv.attacks.membership`).
- `property-site`: the share of answers whose sender is guessed (`accuracy`), beside chance (`chance`); n counts
  answers, `patients` the people whom some replicate trained on; the interval draws replicates. There is none where the
  server sees only the clients' sum.
- `inversion-*`: see `reconstruction` beside this module, for networks of dense layers, and `image_reconstruction` for
  images. FedAvg is tried in every setting, other strategies under their own protection.
"""

from collections.abc import Mapping

import numpy as np

from medpriv.attacks.federated_server.client_updates import NOTHING, Protection
from medpriv.attacks.federated_server.encoding import Encoding
from medpriv.attacks.federated_server.image_inversion import PublicImages
from medpriv.attacks.federated_server.image_reconstruction import IMAGE_COLUMNS, image_settings_of, reconstruct_images
from medpriv.attacks.federated_server.reconstruction import EXAMPLE_COLUMNS, InversionTask, reconstruct, settings_of
from medpriv.attacks.federated_server.updates import guess_sites, loss_decrease, score_membership
from medpriv.attacks.membership.scored import measure_attack
from medpriv.bank.bank import Bank
from medpriv.dataset import TRAIN, Dataset
from medpriv.federated.rounds import RoundView
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.measures.findings import Findings, Rows
from medpriv.measures.intervals import draw_patients, rate_interval
from medpriv.measures.table import Measure
from medpriv.models.layers import Dense
from medpriv.privacy.accountant import default_delta, noise_for
from medpriv.seeds import generator
from medpriv.treatments.federated import Federation, replay

RATES = [0.1, 0.01]  # false-positive rates at which the TPR of `membership-updates` is stated
ONE_STEP_RATE = 0.05  # any would do: whoever sees an update of one step divides its rate out again


def audit(dataset: Dataset, bank: Bank, settings: Mapping, seed: int) -> Findings:
    """Attack the server's view of a federated bank.

    Args:
        bank: a bank of `medpriv.treatments.federated` whose clients answer with models.
        settings: the `server` section.

    Returns:
        Measures, and the table `examples`, empty of a credentialed dataset; of images it holds pictures.
    """
    rounds = bank.spec.settings["rounds"]
    wanted = set(np.unique(np.linspace(0, rounds - 1, settings["rounds"]).astype(int)).tolist())
    views: list[RoundView] = []
    federation = replay(
        dataset, bank, settings["replicates"], seed, lambda view: views.append(view) if view.number in wanted else None
    )
    replicates = min(settings["replicates"], len(bank.members))
    holder = federation.clients.holder
    x = dataset.standardised()
    decrease = loss_decrease(federation.network, x, dataset.y, views, federation.strategy.sequential)
    measures = _membership(dataset, bank, bank.members[:replicates], holder, decrease, settings, seed)
    if decrease.shape[2] > 1:
        measures += _site(
            dataset, bank, int(bank.members[:replicates].any(axis=0).sum()), holder, decrease, settings, seed
        )
    examples: list[dict] = []
    images = dataset.modality == "image"
    if images or all(isinstance(layer, Dense) for layer in federation.network.layers):
        found, examples = _inversion(dataset, bank, federation, views[0].sent, settings, seed)
        measures += found
    columns = IMAGE_COLUMNS if images else EXAMPLE_COLUMNS
    return Findings(measures, {"examples": Rows(columns, [] if dataset.credentialed else examples)})


def _membership(
    dataset: Dataset,
    bank: Bank,
    members: np.ndarray,
    holder: np.ndarray,
    decrease: np.ndarray,
    settings: Mapping,
    seed: int,
) -> list[Measure]:
    scored = score_membership(dataset, members, holder, decrease)
    rng = generator(seed, dataset.name, "server", "membership", "bootstrap")
    draws = PatientBootstrap.draw(rng, scored.scores.shape[1], settings["bootstraps"], len(scored.scores))
    return measure_attack(scored, RATES, draws, (dataset.name, bank.treatment, "membership-updates"))[0]


def _site(
    dataset: Dataset,
    bank: Bank,
    patients: int,
    holder: np.ndarray,
    decrease: np.ndarray,
    settings: Mapping,
    seed: int,
) -> list[Measure]:
    guessed, true = guess_sites(dataset, holder, decrease)
    hits = (guessed == true).mean(axis=(0, 2))  # by replicate
    rng = generator(seed, dataset.name, "server", "site", "bootstrap")
    draws = draw_patients(rng, len(hits), settings["bootstraps"]) @ hits / len(hits)
    limits = rate_interval(float(hits.mean()), draws, len(hits))  # replicates are the units
    about = (dataset.name, bank.treatment, "property-site")
    return [
        Measure(*about, "accuracy", float(hits.mean()), *limits, n=guessed.size, patients=patients),
        Measure(*about, "chance", 1 / guessed.shape[2], n=guessed.size, patients=patients),
    ]


def _inversion(
    dataset: Dataset, bank: Bank, federation: Federation, first: Mapping, settings: Mapping, seed: int
) -> tuple[list[Measure], list[dict]]:
    """Return measures and examples of gradient inversion, at the network as drawn and as trained."""
    strategy, local, images = federation.strategy, federation.local, dataset.modality == "image"
    rows = np.flatnonzero(dataset.rows(TRAIN))
    names = [name for name in first if name in bank.weights]
    task = InversionTask(
        dataset=dataset,
        treatment=bank.treatment,
        network=federation.network,
        encoding=PublicImages.of(dataset) if images else Encoding.of(dataset),
        models={
            "start": {name: first[name] for name in names},
            "end": {name: bank.weights[name][: settings["replicates"]] for name in names},
        },
        holder=federation.clients.records(dataset),
        rows=rows,
        learning_rate=local.learning_rate if local else ONE_STEP_RATE,
        settings=settings,
        seed=seed,
    )
    defence = {"sample_dp": "dp", "secure": "secure"}.get(strategy.name, "none")
    whole, round_ = strategy.name == "avg", _round(federation, task) if local else {}
    protections = {"none": NOTHING, "secure": Protection(clients=len(federation.clients.clients))}
    if whole or defence == "dp":  # else nobody asks for the noise, which takes seconds to work out
        protections["dp"] = _private(bank, federation, settings)
    measures: list[Measure] = []
    examples: list[dict] = []
    if images:
        chosen = image_settings_of(settings, defence, whole, protections)
    else:
        chosen = settings_of(settings, defence, whole, protections, round_)
    for setting in chosen:
        found, shown = reconstruct_images(task, setting) if images else reconstruct(task, setting)
        measures += found
        examples += shown
    return measures, examples


def _round(federation: Federation, task: InversionTask) -> dict[str, int]:
    """Return the records, steps and records a step of a round of the client that has the fewest records."""
    held = np.bincount(task.holder[task.rows], minlength=len(federation.clients.clients))
    records = max(int(held.min()) // 2, 1)  # a replicate has half of them
    local = federation.local
    return {"batch": records, "steps": local.count(records), "part": min(local.batch_size, records)}


def _private(bank: Bank, federation: Federation, settings: Mapping) -> Protection:
    """Return what DP-SGD puts between: the federation's own, or what the settings' epsilon asks for."""
    if federation.strategy.name == "sample_dp":
        noise, clip = federation.privacy["noise_multiplier"], federation.privacy["clip"]
        return Protection(clip, noise * clip)
    plan = bank.spec.settings
    patients = max(int(bank.members[0].sum()) // len(federation.clients.clients), 1)
    sizes, local = sorted(settings["batches"]), plan["local"]
    rate = min(sizes[min(1, len(sizes) - 1)] / patients, 1.0)
    steps = plan["rounds"] * (local["updates"] or local["epochs"])
    asked = settings["epsilon"], default_delta(patients)
    noise = noise_for(*asked, rate, steps, "attacks.federated_server.epsilon")
    return Protection(settings["clip"], noise * settings["clip"])
