"""The audit of one bank of personalised models; the parts are in the modules beside this one.

`patients` has one row a patient and figure. `exposure` has one row a patient and attacker: how well the attacker tells
which of the patient's early beats adapted the model (`auc`), or in what share of the models the patient is named first
(`top_1`). Both are for the holder of a credentialed dataset only, as the exposure of a bank's training patients is.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from medpriv.attacks.personalization import evasion, gain, membership
from medpriv.attacks.personalization.pairs import PairLogits, Pairs, pair_up, predict_pairs
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.errors import InputError
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.measures.findings import Findings, Rows
from medpriv.measures.intervals import student_interval
from medpriv.measures.table import Measure
from medpriv.seeds import generator

PATIENT_COLUMNS = (
    "patient", "groups", "measure", "base", "personalized", "gain", "lower", "upper", "records", "adapted",
)  # fmt: skip
EXPOSURE_COLUMNS = ("patient", "attack", "measure", "value", "lower", "upper", "n")


def audit(
    dataset: Dataset,
    base: Bank,
    derived: Bank,
    settings: Mapping,
    seed: int,
    unlearned: Sequence[Bank] = (),
) -> Findings:
    """Judge personalised models beside their replicates.

    Args:
        dataset: what both were made on, in mV.
        base: the replicates.
        derived: of `medpriv.treatments.personalized`.
        settings: `false_positive_rate`, `epsilons`, `pgd_steps`, `sap_steps`, `attacked_replicates`,
            `records_per_group`, `panel_records`, `bootstraps`.
        seed: the root seed; draws depend on it and the dataset's name, so variants are compared on the same ones.
        unlearned: banks that answered a request to forget some of the beats adapted to, for H2 (see `audit_h2`).

    Returns:
        Measures, and the tables `patients` and `exposure`.
    """
    dataset.require("signal", reason="attacks on personalised models")
    pairs = pair_up(dataset, base, derived, derived.spec.settings["minutes"])
    outputs = predict_pairs(dataset, base, pairs, settings["panel_records"], seed)
    rng = generator(seed, dataset.name, "personal", "bootstrap")
    crossed = PatientBootstrap.draw(rng, len(pairs.patients), settings["bootstraps"], len(pairs.replicates))
    name = derived.treatment
    worth, gains = gain.audit_gain(dataset, pairs, outputs, crossed, name)
    block_s = derived.spec.settings["block_s"]
    beats, aucs = membership.audit_beats(dataset, pairs, outputs, crossed, block_s, settings, seed, name)
    people, ranks = membership.audit_patients(dataset, pairs, outputs, crossed, name)
    stood = evasion.audit_robustness(dataset, pairs, settings, seed, name)
    forgotten = audit_h2(dataset, base, derived, unlearned, settings, seed) if unlearned else []
    tables = {
        "patients": Rows(PATIENT_COLUMNS, _patient_rows(dataset, pairs, outputs, gains)),
        "exposure": Rows(EXPOSURE_COLUMNS, _exposure_rows(dataset, pairs, aucs, ranks)),
    }
    return Findings([*worth, *beats, *people, *stood, *forgotten], tables)


def audit_h2(
    dataset: Dataset,
    base: Bank,
    personal: Bank,
    unlearned: Sequence[Bank],
    settings: Mapping,
    seed: int,
) -> list[Measure]:
    """Return how easily the forgotten beats are overturned after unlearning, against retraining without them, and H2.

    Args:
        personal: the models that had to forget.
        unlearned: banks that answered one request, one a method; that of `retrain` is the reference.
        settings: see `audit`; `unlearned_attacks` are made.

    Raises:
        InputError: no `retrain`, or banks that answer different requests.
    """
    dataset.require("signal", reason="attacks on personalised models")
    minutes = personal.spec.settings["minutes"]
    pairs = pair_up(dataset, base, personal, minutes)
    asked = {bank.spec.parts["method"]: pair_up(dataset, base, bank, minutes) for bank in unlearned}
    if "retrain" not in asked or any(not _same_request(pairs, asked["retrain"], held) for held in asked.values()):
        raise InputError(
            "banks of unlearned models answer different requests, or none is retrained",
            file=f"dataset {dataset.name}",
            place=", ".join(sorted(asked)),
            remedy="rerun the workflow so that all are made again, with the method `retrain` among them",
        )
    return evasion.audit_unlearning(dataset, pairs, asked, settings, seed, personal.treatment)


def _same_request(pairs: Pairs, first: Pairs, second: Pairs) -> bool:
    return np.array_equal(first.records, second.records) and all(
        np.array_equal(getattr(pairs, name), getattr(second, name)) for name in ("replicates", "patients")
    )


def _patient_rows(dataset: Dataset, pairs: Pairs, outputs: PairLogits, gains: Mapping[str, gain.Gain]) -> list[dict]:
    """Return one row a patient and figure: means over replicates, limits of the gain over them."""
    rows = []
    for name, held in gains.items():
        limits = student_interval(held.difference)
        for index, patient in enumerate(pairs.patients):
            rows.append(
                {
                    "patient": dataset.patients[patient],
                    "groups": ",".join(f"{key}={dataset.groups[key][patient]}" for key in sorted(dataset.groups)),
                    "measure": name,
                    "base": held.base[:, index].mean(),
                    "personalized": held.personal[:, index].mean(),
                    "gain": held.difference[:, index].mean(),
                    "lower": limits[0][index],
                    "upper": limits[1][index],
                    "records": int((~pairs.early[outputs.rows[index]]).sum()),
                    "adapted": pairs.records[:, index].sum(axis=1).mean(),
                }
            )
    return rows


def _exposure_rows(
    dataset: Dataset, pairs: Pairs, aucs: Mapping[str, np.ndarray], ranks: Mapping[tuple[str, str], np.ndarray]
) -> list[dict]:
    """Return one row a patient and attacker: means over replicates, t limits; `n` is the number of replicates."""
    figures = [(f"personalization-membership-{name}", "auc", values) for name, values in aucs.items()]
    figures += [
        (f"personalization-identification-{attacker}", f"top_1_{records}", (held <= 1).astype(float))
        for (records, attacker), held in ranks.items()
    ]
    rows = []
    for attack, measure, values in figures:
        lower, upper = student_interval(values)
        for index, patient in enumerate(pairs.patients):
            about = {"patient": dataset.patients[patient], "attack": attack, "measure": measure, "n": len(values)}
            limits = {"lower": np.clip(lower[index], 0, 1), "upper": np.clip(upper[index], 0, 1)}
            rows.append(about | limits | {"value": values[:, index].mean()})
    return rows
