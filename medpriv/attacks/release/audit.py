"""Who was in the table that a generator was fitted to, by what it released?

Every replicate of a bank of synthetic tables is the target in turn; the others are its shadow releases. Candidates are
the training patients; the reference are the test patients, whom no generator saw. Of a release the first n rows are
attacked, as many as there were training rows, and all of them in the arm that asks what more rows give away.

Attacks are called `release-<score>` in groups `statistic=<way>,level=<record or patient>` (`contenders`). Beside them:

- `release-best`: the strongest, chosen on other replicates (`best`), with its level of chance, its ROC curve, its AUC
  in subgroups (those of the membership family, and quarters of how far from the reference a patient lies), and each
  patient's exposure; `chosen_share` of an attack is for how many targets it is chosen;
- `release-null-members`, `release-null-shuffled`: must hold 1/2;
- `release-holdout`: the test whether anything was learnt of single people (`holdout`), of all replicates and of each;
- `release-distance-check`: the share of releases that pass the check of distances that data sheets state;
- `release-diffusion-...`: whoever holds a diffusion model's weights (`white_box`); never chosen as `release-best`,
  which is what released rows alone give away.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from medpriv.attacks.membership.audit import EXPOSURE_COLUMNS, subgroups
from medpriv.attacks.membership.scored import ROC_COLUMNS, mean_areas, measure_attack, measure_subgroup, score_attacks
from medpriv.attacks.membership.scores import (
    Scores,
    Stratum,
    scores_of_patients,
    scores_of_records,
    scores_of_some,
)
from medpriv.attacks.release import best, distance_check, holdout, white_box
from medpriv.attacks.release.contenders import PLAINLY, STATISTICS, Contender, contenders, learnt_contender
from medpriv.attacks.release.features import Encoding
from medpriv.attacks.release.learnt import Learnt, learn, prepare
from medpriv.attacks.release.released import Asked
from medpriv.attacks.release.scores import GAN_LEAKS, Told, read_releases, score_larger
from medpriv.bank.bank import Bank
from medpriv.bank.outputs import Samples
from medpriv.dataset import TEST, Dataset
from medpriv.errors import InputError
from medpriv.measures.bootstrap import PatientBootstrap, difference_interval
from medpriv.measures.exposure import exposure_limits, null_quantiles
from medpriv.measures.findings import Findings, Rows
from medpriv.measures.intervals import auc_interval, student_interval
from medpriv.measures.table import NAN, Measure
from medpriv.seeds import generator
from medpriv.synthesis.schema import Schema, cells_of

ENSEMBLE, META = "ensemble", "meta"
DIFFUSION_LOSS, DIFFUSION_LEARNT = "diffusion-loss", "diffusion-learnt"
QUARTERS = ("nearest", "near", "far", "farthest")  # how far from the reference


@dataclass(frozen=True)
class Bench:
    """A bank of releases with all that its attackers have.

    Attributes:
        bank: K replicates.
        frame: whose members the U candidate records are; its values mean nothing.
        asked: the candidates, then the reference.
        released: every replicate's cells, all of them.
        size: int [K], how many of these are attacked.
        settings: of `medpriv.config.release.ReleaseSettings`.
        seed: the root seed.
    """

    bank: Bank
    frame: Scores
    asked: Asked
    released: Sequence[np.ndarray]
    size: np.ndarray
    settings: Mapping[str, object]
    seed: int

    @property
    def about(self) -> tuple[str, str]:
        """Dataset and treatment."""
        return self.bank.dataset, self.bank.treatment

    def rng(self, *purpose: object) -> np.random.Generator:
        """Return a generator for a purpose: the same for all treatments of the dataset."""
        return generator(self.seed, self.bank.dataset, "release", *purpose)

    @cached_property
    def draws(self) -> PatientBootstrap:
        """The bootstrap of candidates and replicates."""
        patients, replicates = len(self.frame.patients), len(self.bank)
        return PatientBootstrap.draw(self.rng("bootstrap"), patients, self.settings["bootstraps"], replicates)

    @property
    def attacked(self) -> list[np.ndarray]:
        """The cells of every replicate that are attacked."""
        return [cells[:size] for cells, size in zip(self.released, self.size, strict=True)]

    @cached_property
    def told(self) -> Told:
        """What the attacked rows tell."""
        return read_releases(self.asked, self.attacked, self.settings["queries"], self.rng("queries"))

    def told_by_all(self) -> Mapping[str, np.ndarray]:
        """Return scores [K, N] of all that was released, by name."""
        return score_larger(self.asked, self.released)

    @property
    def apart(self) -> np.ndarray:
        """How far each candidate record lies from the reference, [U]."""
        return np.sqrt(self.asked.nearest[: len(self.frame.patient), 0])

    @property
    def one_record(self) -> bool:
        """Whether a patient is one record: what holds for records holds for patients."""
        return len(self.frame.patient) == len(self.frame.patients)

    def scores(self, value: np.ndarray, likelihood: np.ndarray | None = None) -> Scores:
        """Return the candidates' scores of values [K, N], candidates first, and of log-likelihoods likewise."""
        inside = len(self.frame.patient)
        told = {}
        if likelihood is not None:
            told = {"log_likelihood": likelihood[:, :inside], "population": likelihood[:, inside:]}
            outside = self.asked.patient[self.asked.reference]
            told["population_patient"] = np.unique(outside, return_inverse=True)[1]
        return replace(self.frame, value=value[:, :inside], **told)

    def learnt(self, values: np.ndarray, name: str) -> Learnt:
        """Return what is learnt on other replicates from numbers [K, N, F], candidates first."""
        inside = len(self.frame.patient)
        features = prepare(values[:, :inside], values[:, inside:], self.apart)
        return learn(features, self.frame.members, self.frame.patient, self.rng(name, "folds"))


def audit(dataset: Dataset, bank: Bank, settings: Mapping[str, object], seed: int) -> Findings:
    """Attack every replicate's release with every attack, on records and on patients.

    Args:
        dataset: a table that the bank was trained on; of many training patients some are attacked, drawn by chance.
        bank: K >= 2 replicates with samples `raw` [S, V] and `y` [S].
        settings: of `medpriv.config.release.ReleaseSettings`.
        seed: the root seed; draws depend on it and the dataset's name alone, so treatments are compared on the same.

    Returns:
        Measures, and the tables `roc` and `exposure` of the strongest attack.

    Raises:
        InputError: the dataset is no table, has fewer than two test patients, or the bank released no rows of it.
    """
    bench = set_up(dataset, bank, settings, seed)
    return attack(bench, dataset, white_box.losses_of(dataset, bank, bench.rng("diffusion", "noise")))


def attack(bench: Bench, dataset: Dataset, losses: np.ndarray | None) -> Findings:
    """Attack what a bank released, of tables or of other records.

    Args:
        bench: the bank, and what its attackers have.
        dataset: that it was trained on.
        losses: float [K, N, F] of all its records by a diffusion model's weights; None of another generator.
    """
    measures, roc = [], []
    for level, found in _by_level(bench):
        measures += [row for one in found for row in _measured(bench, one)]
        own, curve = _measured_best(bench, found, level)
        measures, roc = measures + own, roc + curve
        by_patient = found
    if losses is not None:
        measures += [row for one in _white_box(bench, dataset, losses) for row in _measured(bench, one)]
    measures += [*_measured_larger(bench), *_measured_holdout(bench), *_measured_distances(bench)]
    if bench.one_record:
        whole = [row for row in measures if row.group.endswith("level=record")]
        measures += [replace(row, group=row.group.replace("level=record", "level=patient")) for row in whole]
        roc += [row | {"level": "patient"} for row in roc]
    exposure = _exposure_rows(bench, dataset, by_patient)
    return Findings(measures, {"roc": Rows(ROC_COLUMNS, roc), "exposure": Rows(EXPOSURE_COLUMNS, exposure)})


def set_up(dataset: Dataset, bank: Bank, settings: Mapping[str, object], seed: int) -> Bench:
    """Return what the attackers have; arguments and errors as of `audit`."""
    schema = Schema.of(dataset)
    bank.check(dataset)
    tables = [_released(bank, place, len(schema)) for place in range(len(bank))]
    frame, rows, outside = choose_records(dataset, bank, settings, seed)
    cells = cells_of(dataset, rows)
    encoding = Encoding.of(schema, cells[-outside:], [cells, *tables])
    asked = Asked(encoding, cells, dataset.patient[rows], outside)
    return with_quarters(Bench(bank, frame, asked, tables, sizes(dataset, bank), settings, seed))


def choose_records(
    dataset: Dataset, bank: Bank, settings: Mapping[str, object], seed: int
) -> tuple[Scores, np.ndarray, int]:
    """Return the frame of the candidates, the records asked about (candidates, then reference), and how many are these.

    Raises:
        InputError: fewer than two test patients.
    """
    every = np.broadcast_to(np.arange(len(dataset.cohort), dtype=np.float64), (len(bank), len(dataset.cohort)))
    chosen = generator(seed, dataset.name, "release", "patients")
    frame = scores_of_some(scores_of_records(dataset, bank, every), settings["patients"], chosen)
    candidates, outside = frame.value[0].astype(np.int64), np.flatnonzero(dataset.rows(TEST))
    if len(np.unique(dataset.patient[outside])) < 2:
        raise InputError(
            "fewer than two test patients: attacks on releases need people whom nobody trained on as a reference",
            file=f"dataset {dataset.name}",
            remedy="give the test split more patients",
        )
    return frame, np.concatenate([candidates, outside]), len(outside)


def sizes(dataset: Dataset, bank: Bank) -> np.ndarray:
    """Return how many released records of each replicate are attacked, int [K]: as many as it was trained on."""
    return np.array([int(each.sum()) for each in bank.record_members(dataset)])


def with_quarters(bench: Bench) -> Bench:
    """Return the bench with candidates in subgroups by their distance from the reference."""
    return replace(bench, frame=replace(bench.frame, strata=(*bench.frame.strata, _quarters(bench))))


def record_contenders(bench: Bench) -> list[Contender]:
    """Return the attacks on single records."""
    told = bench.told
    likelihoods = {"domias": told.likelihood()}
    scores = {name: bench.scores(value, likelihoods.get(name)) for name, value in told.scores.items()}
    plainly = {GAN_LEAKS: scores.pop(GAN_LEAKS)}
    learnt = {ENSEMBLE: told.ensemble(), META: told.everything()}
    return contenders(scores, plainly, "record") + [
        learnt_contender(name, bench.learnt(values, name), bench.frame, "record") for name, values in learnt.items()
    ]


def of_patients(found: Sequence[Contender]) -> list[Contender]:
    """Return the same attacks on whole patients: means over their records, taken before any ratio."""
    plain = {one.name: one for one in found if one.statistic == PLAINLY}
    learnt = [one for one in plain.values() if one.learnt is not None]
    scores = {one.name: scores_of_patients(one.told) for one in plain.values() if one.learnt is None}
    plainly = {name: scores.pop(name) for name in (GAN_LEAKS,) if name in scores}
    return contenders(scores, plainly, "patient") + [
        learnt_contender(one.name, one.learnt.averaged(one.told.patient), scores_of_patients(one.told), "patient")
        for one in learnt
    ]


def _by_level(bench: Bench) -> Iterator[tuple[str, list[Contender]]]:
    """Yield the levels that differ with their attacks, patients last."""
    found = record_contenders(bench)
    yield "record", found
    if not bench.one_record:
        yield "patient", of_patients(found)


def _measured(bench: Bench, one: Contender) -> list[Measure]:
    """Return one attack's figures over all units of its level."""
    rates, about = bench.settings["false_positive_rates"], (*bench.about, one.scored.attack)
    measures, _ = measure_attack(one.scored, rates, bench.draws, about, points=0)
    return [replace(row, group=f"statistic={one.statistic},{row.group}") for row in measures]


def _measured_best(bench: Bench, found: Sequence[Contender], level: str) -> tuple[list[Measure], list[dict]]:
    """Return the figures of the strongest attack of a level, those of chance and of the nulls, and its ROC curve."""
    choice = best.choose(found)
    scored = best.chosen_scored(found, choice)
    rates, about = bench.settings["false_positive_rates"], (*bench.about, best.BEST)
    measures, roc = measure_attack(scored, rates, bench.draws, about)
    measures.append(best.measure_chance(found, choice, bench.rng(level, "chance"), bench.about))
    for index in np.unique(choice):
        one, share = found[index], float((choice == index).mean())
        group = f"statistic={one.statistic},level={level}"
        measures.append(Measure(*bench.about, one.scored.attack, "chosen_share", share, n=len(choice), group=group))
    for subgroup_level in ("record", "patient") if bench.one_record else (level,):
        measures += [
            measure_subgroup(scored, inside, f"level={subgroup_level},{group}", bench.draws, about)
            for group, inside in subgroups(found[0].told, subgroup_level)
        ]
    null = best.shuffled(found, bench.rng(level, "shuffled"))
    everyone = np.ones(scored.members.shape[1], bool)
    about = (*bench.about, "release-null-shuffled")
    measures.append(measure_subgroup(null, everyone, f"level={level}", bench.draws, about))
    about = (*bench.about, "release-null-members")
    measures.append(best.measure_members(scored, bench.draws, bench.rng(level, "halves"), about))
    return measures, roc


def _white_box(bench: Bench, dataset: Dataset, losses: np.ndarray) -> list[Contender]:
    """Return the attacks by whoever holds a diffusion model, on records and on patients."""
    inside = bench.asked.reference.start
    rows = np.concatenate([bench.frame.value[0].astype(np.int64), np.flatnonzero(dataset.rows(TEST))])
    own = losses[:, rows].astype(np.float64)
    scored = contenders({DIFFUSION_LOSS: bench.scores(white_box.value(own))}, {}, "record")
    frame = bench.frame
    learnt = white_box.learn_losses(
        own[:, :inside], own[:, inside:], frame.members, frame.patient, bench.apart, bench.rng("diffusion", "folds")
    )
    found = [*scored, learnt_contender(DIFFUSION_LEARNT, learnt, frame, "record")]
    return found if bench.one_record else found + of_patients(found)


def _measured_larger(bench: Bench) -> list[Measure]:
    """Return AUCs on all released rows, and what they gain over the attacked ones; none where there are no more."""
    if all(len(cells) <= size for cells, size in zip(bench.released, bench.size, strict=True)):
        return []
    measures = []
    for name, value in bench.told_by_all().items():
        pair = [bench.scores(bench.told.scores[name]), bench.scores(value)]
        for level, sides in {"record": pair, "patient": [scores_of_patients(one) for one in pair]}.items():
            if level == "patient" and bench.one_record:
                continue
            few, many = (score_attacks({PLAINLY: STATISTICS[PLAINLY]}, level, one)[0] for one in sides)
            before, after = mean_areas(few, bench.draws), mean_areas(many, bench.draws)
            inside, outside = few.people()
            about, group = (*bench.about, f"release-{name}"), f"statistic={PLAINLY},level={level}"
            counted = {"n": int((~few.members).sum(axis=1).mean()), "patients": int(outside), "group": group}
            limits = auc_interval(float(after[0]), after[1:], inside, outside)
            gain = difference_interval(after - before, min(inside, outside))
            measures.append(Measure(*about, "auc_all_rows", float(after[0]), *limits, **counted))
            measures.append(Measure(*about, "auc_all_rows_difference", *gain, **counted))
    return measures


def _measured_holdout(bench: Bench) -> list[Measure]:
    """Return the holdout test of all replicates together and of each."""
    about, frame, inside = (*bench.about, "release-holdout"), bench.frame, len(bench.frame.patient)
    encode, records = bench.asked.encoding.encode, bench.asked.x[:inside]
    found = []
    for place, replicate in enumerate(bench.bank.replicates):
        released, rng = encode(bench.released[place][: bench.size[place]]), bench.rng("holdout", replicate)
        found.append(holdout.match(records, frame.patient, frame.members[place], released, rng))
    delta = float((bench.bank.metadata.get("privacy") or {}).get("delta", 0.0))
    together = sum(found[1:], start=found[0])
    shares = np.array([one.right / one.guesses if one.guesses else NAN for one in found])
    limits = np.clip(student_interval(shares[~np.isnan(shares)]), 0, 1)
    share = together.right / together.guesses if together.guesses else NAN
    counted = {"n": together.guesses, "patients": len(frame.patients), "group": "level=patient"}
    measures = [
        Measure(*about, "match_share", share, *(float(limit) for limit in limits), **counted),
        Measure(*about, "p_value", together.p_value, **counted),
        Measure(*about, "epsilon_lower", together.epsilon(delta), **counted),
    ]
    for one, replicate in zip(found, bench.bank.replicates, strict=True):
        counted = {"n": one.guesses, "patients": 2 * one.pairs, "group": "level=patient", "replicate": str(replicate)}
        measures.append(Measure(*about, "p_value", one.p_value, **counted))
    return measures


def _measured_distances(bench: Bench) -> list[Measure]:
    """Return the share of releases that pass the usual check of distances, at each of its quantiles."""
    asked, inside = bench.asked, len(bench.frame.patient)
    passed = [
        distance_check.passes(asked.encoding.encode(cells[:size]), asked.x[:inside][members], asked.x[inside:])
        for cells, size, members in zip(bench.released, bench.size, bench.frame.members, strict=True)
    ]
    about = (*bench.about, "release-distance-check", "passes")
    return [
        Measure(*about, float(share), n=len(passed), group=f"quantile={quantile:g}")
        for quantile, share in zip(distance_check.QUANTILES, np.mean(passed, axis=0), strict=True)
    ]


def _exposure_rows(bench: Bench, dataset: Dataset, found: Sequence[Contender]) -> list[dict]:
    """Return one row a candidate patient, by the attack that is the best on the other half of the patients."""
    units, members = found[0].told, found[0].told.members
    groups = [[f"{one.key}={one.names[code]}" for code in one.code] for one in scores_of_patients(bench.frame).strata]
    half = bench.rng("exposure", "halves").permuted(np.arange(members.shape[1]) % 2 == 0)
    picked = best.pick_by_half(found, half)

    def exposure_of(told: np.ndarray) -> np.ndarray:
        return best.exposures(found, told, half, picked)

    null = null_quantiles(exposure_of, members, bench.rng("exposure", "null"))
    inside, count = members.sum(axis=0), np.bincount(bench.frame.patient)
    exposure = exposure_of(members)
    limits = exposure_limits(exposure, inside, len(members) - inside, null)
    return [
        {
            "patient": dataset.patients[units.patients[who]],
            "groups": ",".join(group[who] for group in groups),
            "attack": best.BEST,
            "exposure": exposure[unit],
            "lower": limits[0][unit],
            "upper": limits[1][unit],
            "null_lower": null[0],
            "null_upper": null[1],
            "n_in": inside[unit],
            "n_out": len(members) - inside[unit],
            "records": count[who],
        }
        for who, unit in enumerate(np.argsort(units.patient, kind="stable"))
    ]


def _quarters(bench: Bench) -> Stratum:
    """Return how far the candidates' patients lie from the reference, in quarters of the patients."""
    count = np.bincount(bench.frame.patient)
    mean = np.bincount(bench.frame.patient, bench.apart) / count
    rank = np.argsort(np.argsort(mean, kind="stable"), kind="stable")
    return Stratum("distance", "patient", QUARTERS, (len(QUARTERS) * rank // len(rank))[bench.frame.patient])


def _released(bank: Bank, place: int, columns: int) -> np.ndarray:
    """Return what the replicate at this place released, cells [n, V + 1]."""
    held = bank.outputs.of(place) if isinstance(bank.outputs, Samples) else {}
    raw, y = held.get("raw"), held.get("y")
    if raw is None or y is None or not len(raw) or raw.shape[1:] != (columns - 1,) or y.shape != raw.shape[:1]:
        raise InputError(
            f"replicate {bank.replicates[place]} released no rows of {columns - 1} columns and a label",
            file=bank.about.file,
            remedy="attack a bank of synthetic tables of this dataset; if it is one, rerun the workflow",
        )
    return np.column_stack([raw, y.astype(np.float64)])
