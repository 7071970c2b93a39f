"""Membership inference: who was in the training set?

Every replicate of a bank is the target in turn; the others are its shadow models, trained the same way on halves drawn
independently of the target's. Candidates are the training patients: half of them are the target's members, the others
its non-members. Every attack runs on records and on whole patients, and works on `Scores`, whatever the models say. An
attack that needs what they don't say has one row without a value, whose group names what is lacking. Attacks read a
`View` only; this module hands their scores and the truth to `scored`, which says how figures, thresholds and intervals
are made, and to `chance`, which says what the same attacks reach where nothing leaks.

An AUC within a subgroup compares members and non-members of that subgroup. The attacker sets its thresholds on some of
the shadows, each attacked with the remaining shadows, the target left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from medpriv.attacks.membership import bavaria, informia, lira, rmia
from medpriv.attacks.membership.chance import measure_chance
from medpriv.attacks.membership.from_outputs import record_scores
from medpriv.attacks.membership.scored import ROC_COLUMNS, Scored, measure_attack, measure_subgroup, score_attacks
from medpriv.attacks.membership.scores import Scores, scores_of_patients, scores_of_some
from medpriv.attacks.membership.view import Attack, View, score_targets
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.measures.exposure import exposure_limits, null_quantiles, pair_exposure
from medpriv.measures.findings import Findings, Rows
from medpriv.measures.table import NAN, Measure
from medpriv.seeds import generator

EXPOSURE_COLUMNS = (
    "patient", "groups", "attack", "exposure", "lower", "upper", "null_lower", "null_upper", "n_in", "n_out", "records",
)  # fmt: skip


def score_loss(view: View) -> np.ndarray:
    """Return the log-likelihood [T, U]: the lower the loss, the likelier a member (Yeom et al. 2018); no shadows."""
    return view.log_likelihood


ATTACKS: dict[str, Attack] = {
    "loss": score_loss,
    "lira-online": lira.score_online,
    "lira-offline": lira.score_offline,
    "lira-online-shared": lira.score_online_shared,
    "lira-offline-shared": lira.score_offline_shared,
    "rmia": rmia.score,
    "informia": informia.score,
    "bavaria": bavaria.score,
}
NEED_LIKELIHOOD = ("loss", "rmia", "informia")
MOST = 10_000  # training patients who are attacked, drawn by chance; more would fill the memory for little
EXPOSURE_ATTACKS = ("lira-online-shared", "bavaria")  # the online attacks that stand few shadows, on patients


def audit(dataset: Dataset, bank: Bank, settings: dict, seed: int) -> Findings:
    """Attack every replicate of the bank with every attack, on records and on patients.

    Args:
        dataset: what the bank was trained on; of more than `MOST` training patients that many are attacked.
        bank: K >= 2 replicates with outputs: predictions or token scores of all records, or samples.
        settings: `false_positive_rates`, `bootstraps`.
        seed: the root seed; draws depend on it and the dataset's name alone, so treatments are compared on the same.

    Returns:
        Measures, and the tables `roc` and `exposure`.
    """
    chosen = generator(seed, dataset.name, "membership", "patients")
    records = scores_of_some(record_scores(dataset, bank), MOST, chosen)
    patients, attacks = scores_of_patients(records), attacks_on(records)
    rng = generator(seed, dataset.name, "membership", "bootstrap")
    draws = PatientBootstrap.draw(rng, len(records.patients), settings["bootstraps"], len(bank.replicates))
    about, rates = (dataset.name, bank.treatment), settings["false_positive_rates"]
    scored = score_attacks(attacks, "record", records)
    measures, roc = _whole_level(attacks, scored, records, draws, rates, about, seed)
    if len(records.patient) == len(records.patients):  # a patient is one record: what holds for one holds for both
        of_patients = [replace(one, level="patient") for one in scored]
        measures += [replace(one, group="level=patient") for one in measures]
        roc += [row | {"level": "patient"} for row in roc]
    else:
        of_patients = score_attacks(attacks, "patient", patients)
        found, curves = _whole_level(attacks, of_patients, patients, draws, rates, about, seed)
        measures, roc = measures + found, roc + curves
    for level, every, units in (("record", scored, records), ("patient", of_patients, patients)):
        groups = list(subgroups(units, level))
        for one in every:
            for group, inside in groups:
                name = f"level={level},{group}"
                measures.append(measure_subgroup(one, inside, name, draws, (*about, f"membership-{one.attack}")))
    left_out = [name for name in ATTACKS if name not in attacks]
    measures += [Measure(*about, f"membership-{name}", "auc", NAN, group="lacks=likelihood") for name in left_out]
    exposure = _exposure_rows(dataset, records, patients, seed)
    return Findings(measures, {"roc": Rows(ROC_COLUMNS, roc), "exposure": Rows(EXPOSURE_COLUMNS, exposure)})


def attacks_on(scores: Scores) -> dict[str, Attack]:
    """Return the attacks that these scores suffice for."""
    told = scores.log_likelihood is not None
    return {name: attack for name, attack in ATTACKS.items() if told or name not in NEED_LIKELIHOOD}


def _whole_level(
    attacks: Mapping[str, Attack],
    scored: list[Scored],
    scores: Scores,
    draws: PatientBootstrap,
    rates: list[float],
    about: tuple[str, str],
    seed: int,
) -> tuple[list[Measure], list[dict]]:
    """Return the figures over all units of one level, each attack's and then those of chance, and the ROC curves."""
    measures: list[Measure] = []
    roc: list[dict] = []
    for one in scored:
        found, curve = measure_attack(one, rates, draws, (*about, f"membership-{one.attack}"))
        measures, roc = measures + found, roc + curve
    rng = generator(seed, about[0], "membership", "chance")
    return measures + measure_chance(attacks, scores, scored[0].shadows, scored[0].level, rates, rng, about), roc


def subgroups(scores: Scores, level: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the subgroups of a level, `key=value` and bool [U]: by class in the dataset's order, others by name."""
    for stratum in scores.strata:
        if stratum.level != level:
            continue
        present = [stratum.names[code] for code in np.unique(stratum.code)]
        for name in present if level == "record" else sorted(present):
            yield f"{stratum.key}={name}", stratum.code == stratum.names.index(name)


def _exposure_rows(dataset: Dataset, records: Scores, patients: Scores, seed: int) -> list[dict]:
    """Return one row a training patient and attack of `EXPOSURE_ATTACKS`."""
    groups = [[f"{one.key}={one.names[code]}" for code in one.code] for one in patients.strata]
    inside = patients.members.sum(axis=0)
    count = np.bincount(records.patient)
    rows = []
    for name in EXPOSURE_ATTACKS:

        def exposure_of(members: np.ndarray, attack: Attack = ATTACKS[name]) -> np.ndarray:
            told = replace(patients, members=members)
            return pair_exposure(lambda targets, withheld: score_targets(attack, told, targets, withheld), members)

        rng = generator(seed, dataset.name, "membership", "exposure", "null")
        null = null_quantiles(exposure_of, patients.members, rng)
        exposures = exposure_of(patients.members)
        limits = exposure_limits(exposures, inside, len(patients.members) - inside, null)
        for index, (exposure, lower, upper) in enumerate(zip(exposures, *limits, strict=True)):
            rows.append(
                {
                    "patient": dataset.patients[records.patients[index]],
                    "groups": ",".join(group[index] for group in groups),
                    "attack": f"membership-{name}",
                    "exposure": exposure,
                    "lower": lower,
                    "upper": upper,
                    "null_lower": null[0],
                    "null_upper": null[1],
                    "n_in": inside[index],
                    "n_out": len(patients.members) - inside[index],
                    "records": count[index],
                }
            )
    return rows
