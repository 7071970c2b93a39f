"""Evasion: how small a change of a signal (in millivolts) or an image (in grey levels) overturns a right diagnosis?

The audit of one bank. The attacks stand in `medpriv.attacks.gradient` (FGSM, PGD), `smooth` (SAP, noise), `blackbox`
(square) and `recombination`; what is measured of them in `medpriv.measures.flips`, `plausibility`, `landmarks`, and in
`medpriv.attacks.masking` and `detector`.

Images meet FGSM, PGD, the square attack and the checks for masking; what is smooth in time, and what an ECG's own
measures say of it, is for signals alone. Budgets bound the change of every sample of every lead. White-box attackers
know the network and the true class, and each replicate is attacked by its own gradient. Records are test patients'
only, as many of each class as there are up to a limit, spread over as many patients as have the class, the same for
every replicate: figures over all classes weigh rare classes more than a ward would. FGSM takes all replicates and
`records_per_class`; everything else costs many steps and takes the first `replicates` and `iterated_records_per_class`.
A step is `step_share` of the budget. A low flip rate of one attack is no proof of robustness, a high one is proof of
its absence.

What the audit writes, one row a figure. In groups, E is a budget, written as 0.01, R is `reference_epsilon`, C a
class. Attacks:

    evasion-fgsm                 one step
    evasion-pgd                  `steps` steps, from the clean signal and `restarts` random starts, the best of them
    evasion-sap                  smooth, `steps` and `smooth_steps`, as released
    evasion-pgd-released         SAP's first stage, which resets padding at its end alone; only if records are padded
    evasion-noise                random, in SAP's band, each record with the energy of its SAP perturbation
    evasion-square               black box, `queries` queries
    evasion-<pgd|sap>-transfer   a replicate attacked by what was made for the next one of its stack
    evasion-<pgd|sap>-targeted   towards the class after the true one in the dataset's order (the last one: the first)
    evasion-band, evasion-concatenation   new examples from SAP's: `medpriv.attacks.recombination`
    evasion-none                 clean signals

Measures, with their groups and attacks:

    accuracy_under_attack, flip_rate: `budget=E[,class=C]`, all but the last three; `budget=0` is without attack
    targeted_success: `budget=E[,class=C]`, the targeted ones
    flip_rate_filtered, flip_rate_requantised: `budget=E`, pgd and sap; what survives a monitor's filter (0.5 to 40
        Hz) or a 12-bit converter (of images: whole grey levels); "right before" is judged on clean records so treated
    masking, masking_<check>: no group, pgd; masking_<check>_figure: `budget=E,...`; `medpriv.attacks.masking`
    detector_auc: `budget=R`; pgd, sap, noise; `medpriv.attacks.detector`
    mean_d1_uv, mean_d2_uv, energy_above_40hz, slew_uv_per_sample, slew_mv_per_s, snr_db: `budget=R`; pgd, sap,
        noise; of the perturbation; `medpriv.measures.plausibility`
    signal_mean_d1_uv, signal_energy_above_40hz, signal_slew_mv_per_s: the same and none (no group); of the signal
    unmoved_share: `budget=R`; pgd, sap, noise; records whose perturbation is nothing at all: without `snr_db` or
        `energy_above_40hz`
    r_peaks_changed, r_peak_shift_ms, rr_change_ms, qrs_change_ms: `budget=R`; pgd, sap, noise; first replicate,
        first lead; `medpriv.measures.landmarks`
    still_misclassified, unchanged_share, new_examples: `budget=R,form=<released|intended>`; band, concatenation
    kept_share: `budget=R`; band, concatenation

`n` counts records, `patients` the people who have them; of what only records right before enter, those that at least
one replicate had right. Intervals are patient bootstraps; of recombinations Clopper-Pearson on the patients.
Examples for drawing (`EXAMPLE_COLUMNS`): of each class one record that the first replicate gets right and both PGD and
SAP overturn, at the least budget at which there is one; its first lead, clean and attacked, once an attack. Of images
(`IMAGE_COLUMNS`) one that PGD overturns though it is rounded to whole grey levels, as pictures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from medpriv.attacks.attacked_records import AttackedRecords, draw_records
from medpriv.attacks.blackbox import square
from medpriv.attacks.detector import detector_measure
from medpriv.attacks.examples import make_examples, make_targeted
from medpriv.attacks.gradient import loss_gradient
from medpriv.attacks.masking import attack_for_checks, masking_measures
from medpriv.attacks.recombination import recombination_measures
from medpriv.attacks.target_models import TargetModels, predict, target_models_of, within_limits
from medpriv.bank.bank import Bank
from medpriv.dataset import TRAIN, Dataset
from medpriv.measures.findings import Findings, Rows
from medpriv.measures.flips import RateEstimator, flip_measures
from medpriv.measures.landmarks import landmark_figures
from medpriv.measures.plausibility import monitor_filter, perturbation_figures, requantise, signal_figures
from medpriv.measures.table import Measure
from medpriv.pictures import png_text
from medpriv.seeds import generator

EXAMPLE_COLUMNS = (
    "example", "class", "attack", "attacked_as", "budget", "lead", "seconds", "clean_mv", "attacked_mv",
)  # fmt: skip

IMAGE_COLUMNS = ("example", "class", "attack", "attacked_as", "budget", "clean", "attacked")  # the last: PNG in base64
WITH_EXAMPLES = ("pgd", "sap")  # attacks with examples, transfer and survival
PLAUSIBILITY_OF = ("pgd", "sap", "noise")  # attacks whose plausibility is measured


@dataclass
class AttackedPredictions:
    """Predicted classes, a list entry a stack: `before` [K, n] and `after` [E, K, n]."""

    before: list[np.ndarray] = field(default_factory=list)
    after: list[np.ndarray] = field(default_factory=list)

    def joined(self) -> tuple[np.ndarray, np.ndarray]:
        """Return both over all stacks."""
        return np.concatenate(self.before), np.concatenate(self.after, axis=1)


def audit(dataset: Dataset, bank: Bank, settings: dict, seed: int) -> Findings:
    """Attack a bank at every budget.

    Args:
        dataset: what the bank was trained on; signals or images.
        bank: K replicates.
        settings: see `medpriv.config.evasion`.
        seed: the root seed; records and draws depend on it and the dataset's name alone, so treatments share them.

    Returns:
        Measures, and the table `examples`, empty of a credentialed dataset.

    Raises:
        InputError: the records are neither signals nor images, or the bank is of another dataset.
    """
    bank.record_members(dataset)
    dataset.require("signal", "image", reason="evasion")
    everyone = target_models_of(dataset, bank, len(bank.members))
    return attack_models(
        dataset, bank.treatment, everyone, target_models_of(dataset, bank, settings["replicates"]), settings, seed
    )


def attack_models(
    dataset: Dataset,
    treatment: str,
    everyone: Sequence[TargetModels],
    some: Sequence[TargetModels],
    settings: dict,
    seed: int,
) -> Findings:
    """Attack stacks of networks: `everyone` by FGSM, `some` by all else."""
    settings = settings | {"epsilons": sorted({*settings["epsilons"], settings["reference_epsilon"]})}
    measures = _attack_in_one_step(dataset, treatment, everyone, settings, seed)
    found, examples = _attack_in_many_steps(dataset, treatment, some, settings, seed)
    columns = IMAGE_COLUMNS if dataset.modality == "image" else EXAMPLE_COLUMNS
    return Findings(measures + found, {"examples": Rows(columns, [] if dataset.credentialed else examples)})


def _attack_in_one_step(
    dataset: Dataset, treatment: str, stacks: Sequence[TargetModels], settings: dict, seed: int
) -> list[Measure]:
    records = AttackedRecords.of(dataset, draw_records(dataset, settings["records_per_class"], seed))
    outcome = AttackedPredictions()
    for models in stacks:
        outcome.before.append(predict(models, dataset, records.x))
        signs = np.sign(loss_gradient(models, records, records.x))
        if records.inside is not None:
            signs *= records.inside
        attacked = (within_limits(dataset, records.x + np.float32(size) * signs) for size in settings["epsilons"])
        after = [predict(models, dataset, x) for x in attacked]
        outcome.after.append(np.stack(after))
    estimator = _estimator(records, treatment, settings, seed)
    return flip_measures(estimator, "evasion-fgsm", settings["epsilons"], *outcome.joined())


def _attack_in_many_steps(
    dataset: Dataset, treatment: str, stacks: Sequence[TargetModels], settings: dict, seed: int
) -> tuple[list[Measure], list[dict]]:
    epsilons, reference = settings["epsilons"], settings["reference_epsilon"]
    records = AttackedRecords.of(dataset, draw_records(dataset, settings["iterated_records_per_class"], seed))
    aimed, estimator = records.targeted(), _estimator(records, treatment, settings, seed)
    ways = POSTPROCESSING[dataset.modality]
    shown = WITH_EXAMPLES if dataset.modality == "signal" else WITH_EXAMPLES[:1]
    outcomes: dict[str, AttackedPredictions] = {}
    extras, measures, examples = [], [], []
    for number, models in enumerate(stacks):
        drawn: dict[str, list[np.ndarray]] = {}  # the first replicate's examples at each budget
        after: dict[str, list[np.ndarray]] = {}
        for epsilon in epsilons:
            rng = _generator(dataset, seed, f"{epsilon:g}", number)
            made = make_examples(models, records, epsilon, settings, rng)
            made["square"] = square(models, records, epsilon, settings["queries"], rng)
            predicted = {name: predict(models, dataset, x) for name, x in made.items()}
            for name in shown:
                if len(made[name]) > 1:
                    predicted[f"{name}-transfer"] = predict(models, dataset, np.roll(made[name], -1, axis=0))
                predicted |= {
                    f"{name}_{way}": predict(models, dataset, treat(records, made[name])) for way, treat in ways
                }
                drawn.setdefault(name, []).append(made[name][0])
            for name, x in make_targeted(models, aimed, epsilon, settings).items():
                predicted[name] = predict(models, dataset, x)
            for name, classes in predicted.items():
                after.setdefault(name, []).append(classes)
            if epsilon == reference and not number and dataset.modality == "signal":
                measures += _plausibility(models, records, estimator, made, settings, seed)
                measures += _recombination(models, records, treatment, made["sap"][0], settings, seed)
        clean = {"": predict(models, dataset, records.x)}
        clean |= {way: predict(models, dataset, treat(records, records.x)) for way, treat in ways}
        for name, classes in after.items():
            outcome = outcomes.setdefault(name, AttackedPredictions())
            outcome.before.append(clean[name.partition("_")[2]])
            outcome.after.append(np.stack(classes))
        extras.append(attack_for_checks(models, records, epsilons, settings))
        if not number:
            way = "" if dataset.modality == "signal" else "_requantised"  # an image has whole grey levels
            own = {name: np.stack(after[f"{name}{way}"])[:, 0] for name in shown}
            examples = _examples(records, epsilons, drawn, clean[way.removeprefix("_")][0], own)
    found = _flips(estimator, outcomes, aimed.target, settings)
    extra = {name: np.concatenate([one[name] for one in extras], axis=-2) for name in extras[0]}
    (before, pgd_after), (_, square_after) = outcomes["pgd"].joined(), outcomes["square"].joined()
    checks = masking_measures(estimator, epsilons, settings, before, pgd_after, square_after, extra)
    return found + checks + measures, examples


def _filtered(records: AttackedRecords, x: np.ndarray) -> np.ndarray:
    return monitor_filter(x, records.dataset.sampling_rate, records.inside)


def _requantised(records: AttackedRecords, x: np.ndarray) -> np.ndarray:
    return requantise(x)


def _in_whole_levels(records: AttackedRecords, x: np.ndarray) -> np.ndarray:
    return np.rint(x)


# What an attack has to survive: a monitor's filter and its converter, an image's file.
POSTPROCESSING = {
    "signal": (("filtered", _filtered), ("requantised", _requantised)),
    "image": (("requantised", _in_whole_levels),),
}


def _flips(
    estimator: RateEstimator, outcomes: Mapping[str, AttackedPredictions], target: np.ndarray, settings: Mapping
) -> list[Measure]:
    """Return the rates of every attack; of what survives a treatment only the flip rate over all records."""
    found = []
    for name, outcome in sorted(outcomes.items()):
        before, after = outcome.joined()
        attack, _, way = name.partition("_")
        if way:
            right = before == estimator.y
            for epsilon, predicted in zip(settings["epsilons"], after, strict=True):
                hits, group = right & (predicted != estimator.y), f"budget={epsilon:g}"
                found.append(estimator.rate(f"evasion-{attack}", f"flip_rate_{way}", hits, right, group))
        else:
            aim = target if attack.endswith("targeted") else None
            found += flip_measures(estimator, f"evasion-{attack}", settings["epsilons"], before, after, aim)
    return found


def _plausibility(
    models: TargetModels,
    records: AttackedRecords,
    estimator: RateEstimator,
    made: Mapping[str, np.ndarray],
    settings: Mapping,
    seed: int,
) -> list[Measure]:
    """Return what attacked signals of the first stack look like at the reference budget."""
    dataset, epsilon = records.dataset, settings["reference_epsilon"]
    rate, group = dataset.sampling_rate, f"budget={epsilon:g}"
    found = [
        estimator.mean("evasion-none", name, values, "")
        for name, values in signal_figures(records.x[None], rate, records.inside).items()
    ]
    learnt = AttackedRecords.of(dataset, draw_records(dataset, settings["iterated_records_per_class"], seed, TRAIN))
    lessons = make_examples(models, learnt, epsilon, settings, _generator(dataset, seed, "detector"))
    for name in PLAUSIBILITY_OF:
        delta = made[name] - records.x
        figures = perturbation_figures(records.x, delta, rate, records.inside)
        figures |= signal_figures(made[name], rate, records.inside)
        first = landmark_figures(records.x[:, 0], made[name][0][:, 0], rate)
        figures |= {measure: values[None] for measure, values in first.items()}
        found += [estimator.mean(f"evasion-{name}", measure, values, group) for measure, values in figures.items()]
        still = ~delta.any(axis=(-2, -1))
        found.append(estimator.rate(f"evasion-{name}", "unmoved_share", still, np.ones_like(still), group))
        train, test = (learnt.x, lessons[name]), (records.x, made[name])
        found.append(detector_measure(estimator, f"evasion-{name}", group, train, test))
    return found


def _recombination(
    models: TargetModels, records: AttackedRecords, treatment: str, attacked: np.ndarray, settings: Mapping, seed: int
) -> list[Measure]:
    """Return measures of examples made from some that SAP overturns for the first replicate."""
    overturned = np.flatnonzero(
        (predict(models, records.dataset, records.x)[0] == records.y)
        & (predict(models, records.dataset, attacked)[0] != records.y)
    )
    count = min(settings["recombined_records"], len(overturned))
    sources = overturned[np.linspace(0, len(overturned) - 1, count).round().astype(int)]
    rng = _generator(records.dataset, seed, "recombination")
    return recombination_measures(models, records.take(sources), treatment, attacked[sources], settings, rng)


def _examples(
    records: AttackedRecords,
    epsilons: Sequence[float],
    drawn: Mapping[str, Sequence[np.ndarray]],
    before: np.ndarray,
    after: Mapping[str, np.ndarray],
) -> list[dict]:
    """Return the example rows, from the first replicate's examples [n, ...] and predictions [n], [E, n]."""
    dataset, found = records.dataset, []
    overturned = (before == records.y) & np.all([classes != records.y for classes in after.values()], axis=0)  # [E, n]
    for index, label in enumerate(dataset.classes):
        candidates = np.argwhere(overturned & (records.y == index))
        if not len(candidates):
            continue
        budget, place = candidates[0]
        for name in after:
            about = {
                "example": label,
                "class": label,
                "attack": f"evasion-{name}",
                "attacked_as": dataset.classes[after[name][budget, place]],
                "budget": epsilons[budget],
            }
            draw = _sampled if dataset.modality == "signal" else _pictured
            found += [about | row for row in draw(dataset, records.x[place], drawn[name][budget][place])]
    return found


def _sampled(dataset: Dataset, clean: np.ndarray, attacked: np.ndarray) -> list[dict]:
    """Return the first lead of a signal before and after, a row a sample."""
    return [
        {"lead": dataset.features[0], "seconds": sample / dataset.sampling_rate, "clean_mv": one, "attacked_mv": other}
        for sample, (one, other) in enumerate(zip(clean[0], attacked[0], strict=True))
    ]


def _pictured(dataset: Dataset, clean: np.ndarray, attacked: np.ndarray) -> list[dict]:
    """Return an image before and after, in whole grey levels."""
    clean, attacked = (png_text(np.rint(image).astype(np.uint8)) for image in (clean, attacked))
    return [{"clean": clean, "attacked": attacked}]


def _estimator(records: AttackedRecords, treatment: str, settings: Mapping, seed: int) -> RateEstimator:
    rng = generator(seed, records.dataset.name, "evasion", "bootstrap")
    return RateEstimator.of(records.dataset, treatment, records.rows, settings["bootstraps"], rng)


def _generator(dataset: Dataset, seed: int, *names: object) -> np.random.Generator:
    return generator(seed, dataset.name, "evasion", *names)
