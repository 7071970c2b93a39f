"""Is a personalised model easier to overturn than its replicate, on the beats that it was adapted to above all?

Each patient's models and their replicates are attacked on the same beats, each by its own gradient, every sample of
every lead within epsilon:
- `adapted`: early beats of the patient that the model was adapted to, `adapted_rare`: those of them that are not of the
  patient's most frequent class; `early`: beats of the same minutes that the model was not adapted to; `later`: beats
  after those minutes; `strangers`: later beats of other patients.
- FGSM; PGD from the clean signal, step 2.5 epsilon / steps; SAP, which goes on from PGD's end through its smoothing
  filter (`medpriv.attacks.sap`).

An attack's success is the share of what was classified rightly before that no longer is. With `right=own` each model
is judged on what it had right itself; a personalised model has hard beats right that its replicate has wrong, and they
are the first to fall, so with `right=both` both are judged on what both had right: the comparison to read.

H1 (Chatterjee et al. 2024): on the adapted beats the attack succeeds more often with the personalised model than with
its replicate. The figure is the difference of success, the mean over budgets, so that one attack is one test.
H2: unlearning moves the success on the forgotten beats to that of a model retrained without them. The figure is how
much nearer it comes: |s(personalised) - s(retrained)| - |s(unlearned) - s(retrained)|.
Verdicts are those of `medpriv.measures.verdicts`: supported where the interval lies on the hypothesis' side,
contradicted where it lies on the other. H2 is not testable where the personalised model's success is not told apart
from retraining's: there is nothing to undo.

`n` counts different beats that at least one replicate's model had right, of differences of groups and of hypotheses
patients; `patients` those who have such beats.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medpriv.attacks.attacked_records import AttackedRecords, SignSteps
from medpriv.attacks.gradient import fgsm, pgd
from medpriv.attacks.personalization.pairs import Pairs
from medpriv.attacks.sap import sap
from medpriv.attacks.target_models import BankModels, TargetModels, predict
from medpriv.bank.stack import Parameters
from medpriv.dataset import Dataset
from medpriv.measures.bootstrap import PatientBootstrap, difference_interval
from medpriv.measures.intervals import rate_interval
from medpriv.measures.table import Measure
from medpriv.measures.verdicts import NOT_TESTABLE, TOO_FEW, above_zero
from medpriv.seeds import generator

ATTACKS = ("fgsm", "pgd", "sap")
GROUPS = ("adapted", "adapted_rare", "early", "later", "strangers")
LENGTH = 2.5  # budgets that the steps of PGD, and SAP's through the filter, add up to


@dataclass(frozen=True)
class Successes:
    """What attacks did to V kinds of models: sums over beats for each replicate and patient.

    Attributes:
        overturned: [A, E, V, G, K, P], beats right before the attack and wrong after it.
        right: [V, G, K, P], beats right before.
        beats: [V, G, P], different beats right before with at least one replicate.
        overturned_both, right_both, beats_both: the same among beats that the first two kinds had right.
    """

    overturned: np.ndarray
    right: np.ndarray
    beats: np.ndarray
    overturned_both: np.ndarray
    right_both: np.ndarray
    beats_both: np.ndarray

    def parts(self) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Return overturned, right and different beats by whose right beats count."""
        return {
            "own": (self.overturned, self.right, self.beats),
            "both": (self.overturned_both, self.right_both, self.beats_both),
        }


def attack_beats(
    models: TargetModels, dataset: Dataset, rows: np.ndarray, settings: Mapping, attacks: Sequence[str] = ATTACKS
) -> tuple[np.ndarray, np.ndarray]:
    """Return what each network had right before, bool [V, n], and still has after each attack, [A, E, V, n].

    All budgets are attacked in one stack of records: n x E of them.
    """
    right = predict(models, dataset, dataset.x[rows]) == dataset.y[rows]
    budgets = len(settings["epsilons"])
    records = AttackedRecords.of(dataset, np.tile(rows, budgets))
    epsilon = np.repeat(np.array(sorted(settings["epsilons"]), np.float32), len(rows))[:, None, None]
    steps, smooth_steps = settings["pgd_steps"], settings["sap_steps"]

    attacked = {}
    if "fgsm" in attacks:
        attacked["fgsm"] = fgsm(models, records, epsilon)
    if "pgd" in attacks or "sap" in attacks:
        attacked["pgd"] = pgd(models, records, SignSteps(epsilon, LENGTH / steps * epsilon, steps))
    if "sap" in attacks:
        walk = SignSteps(epsilon, LENGTH / smooth_steps * epsilon, steps)
        attacked["sap"] = sap(models, records, walk, smooth_steps, attacked["pgd"])
    still = [predict(models, dataset, attacked[name]) == records.y for name in attacks]
    return right, np.stack(still).reshape(len(attacks), len(right), budgets, -1).swapaxes(1, 2)


def attack_pairs(
    dataset: Dataset,
    pairs: Pairs,
    kinds: Sequence[Sequence[Parameters]],
    beats: Sequence[np.ndarray],
    groups: Sequence[np.ndarray],
    settings: Mapping,
    attacks: Sequence[str] = ATTACKS,
) -> Successes:
    """Attack kinds of models on each patient's beats.

    Args:
        kinds: V kinds; for each patient parameters name -> [K, ...].
        beats: for each patient records int [n].
        groups: for each patient bool [G, K, n].
        settings: `epsilons`, `pgd_steps`, `sap_steps`.
    """
    sums = []
    for index, (rows, inside) in enumerate(zip(beats, groups, strict=True)):
        held = [kind[index] for kind in kinds]
        stack = {name: np.concatenate([each[name] for each in held]) for name in held[0]}
        right, still = attack_beats(BankModels(pairs.network, stack), dataset, rows, settings, attacks)
        right = right.reshape(len(kinds), -1, len(rows))  # [V, K, n]
        lost = right & ~still.reshape(*still.shape[:2], *right.shape)  # [A, E, V, K, n]
        both = right[0] & right[1]
        sums.append(
            [
                part
                for counted in (np.ones_like(both), both)
                for part in (
                    np.einsum("aevkn,gkn->aevgk", lost & counted, inside, dtype=float),
                    np.einsum("vkn,gkn->vgk", right & counted, inside, dtype=float),
                    ((right & counted)[:, None] & inside).any(axis=2).sum(axis=2),
                )
            ]
        )
    return Successes(*(np.stack(parts, axis=-1) for parts in zip(*sums, strict=True)))


def draw_beats(dataset: Dataset, pairs: Pairs, count: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return for each patient records int [n] and what they are to each replicate's model, bool [G, K, n].

    At most twice `count` early beats, of which each model was adapted to some, and `count` later ones of the patient
    and of others together.
    """
    found = []
    for index, patient in enumerate(pairs.patients):
        rng = generator(seed, dataset.name, "personal", "beats", dataset.patients[patient])
        own = dataset.patient == patient
        others = np.isin(dataset.patient, pairs.patients) & ~own & ~pairs.early
        parts = [
            rng.permutation(np.flatnonzero(part))[:most]
            for part, most in ((own & pairs.early, 2 * count), (own & ~pairs.early, count))
        ]
        parts.append(_evenly(dataset.patient, np.flatnonzero(others), count, rng))
        rows = np.concatenate(parts)
        adapted = pairs.records[:, index, rows]
        kind = np.broadcast_to(np.repeat(np.arange(3), [len(part) for part in parts]), adapted.shape)
        rare = adapted & (dataset.y[rows] != np.bincount(dataset.y[own & pairs.early]).argmax())
        found.append((rows, np.stack([adapted, rare, (kind == 0) & ~adapted, kind == 1, kind == 2])))
    return found


def _evenly(owner: np.ndarray, rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return at most `count` of the rows, patients in turn."""
    shuffled = rng.permutation(rows)
    order = np.argsort(owner[shuffled], kind="stable")
    starts = np.flatnonzero(np.diff(owner[shuffled][order], prepend=-1))
    turn = np.empty(len(rows), int)
    turn[order] = np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows)))
    return shuffled[np.argsort(turn, kind="stable")][:count]


def audit_robustness(dataset: Dataset, pairs: Pairs, settings: Mapping, seed: int, treatment: str) -> list[Measure]:
    """Return success of every attack by group, model and budget, what personalisation adds, and H1."""
    pairs = first_replicates(pairs, settings["attacked_replicates"])
    drawn = draw_beats(dataset, pairs, settings["records_per_group"], seed)
    size = len(pairs.patients)
    kinds = [[pairs.base] * size, [pairs.of_patient(index) for index in range(size)]]
    done = attack_pairs(dataset, pairs, kinds, *zip(*drawn, strict=True), settings)
    crossed = draws_of_attacks(dataset, pairs, settings, seed)
    measures = []
    for whose, (overturned, right, beats) in done.parts().items():
        for a, attack in enumerate(ATTACKS):
            about = (dataset.name, treatment, f"personalization-{attack}")
            gains, people = {}, {}
            for g, group in enumerate(GROUPS):
                held = beats[:, g] > 0  # [2, P]
                people[group] = int(held.all(axis=0).sum())
                sizes = [{"n": int(beats[v, g].sum()), "patients": int(held[v].sum())} for v in range(2)]
                both = sizes[1] | {"patients": people[group]}
                success = np.array(
                    [[crossed.ratio(lost, right[v, g]) for v, lost in enumerate(part[:, g])] for part in overturned[a]]
                )  # [E, 2, 1 + B]
                name = f"records={group},right={whose}"
                for epsilon, each in zip(sorted(settings["epsilons"]), success, strict=True):
                    place = f"{name},budget={epsilon:g}"
                    for drawn, size, model in zip(each, sizes, ("base", "personalized"), strict=True):
                        value, limits = float(drawn[0]), rate_interval(drawn[0], drawn[1:], size["patients"])
                        row = Measure(*about, "success", value, *limits, **size, group=f"{place},model={model}")
                        measures.append(row)
                    limits = difference_interval(each[1] - each[0], people[group])
                    measures.append(Measure(*about, "success_gain", *limits, **both, group=place))
                gains[group] = (success[:, 1] - success[:, 0]).mean(axis=0)
                limits = difference_interval(gains[group], people[group])
                measures.append(Measure(*about, "success_gain", *limits, **both, group=name))
            for group in GROUPS[2:]:
                name, fewer = f"records=adapted,beyond={group},right={whose}", min(people["adapted"], people[group])
                limits = difference_interval(gains["adapted"] - gains[group], fewer)
                measures.append(Measure(*about, "success_gain", *limits, n=fewer, group=name, patients=fewer))
            measures += hypothesis(about, "h1", gains["adapted"], f"right={whose}", people["adapted"])
    return measures


def audit_unlearning(
    dataset: Dataset,
    pairs: Pairs,
    forgetting: Mapping[str, Pairs],
    settings: Mapping,
    seed: int,
    treatment: str,
) -> list[Measure]:
    """Return the success on the forgotten beats by method, how far it is from retraining's, and H2.

    Args:
        pairs: the personalised models.
        forgetting: by method, the models that should have forgotten; `retrain` among them, the reference.
    """
    few = {name: first_replicates(held, settings["attacked_replicates"]) for name, held in forgetting.items()}
    pairs = first_replicates(pairs, settings["attacked_replicates"])
    methods = [name for name in sorted(few) if name != "retrain"]
    size, count = len(pairs.patients), 4 * settings["records_per_group"]
    beats, groups = [], []
    for index, patient in enumerate(pairs.patients):
        forgotten = few["retrain"].records[:, index]
        rng = generator(seed, dataset.name, "personal", "forgotten", dataset.patients[patient])
        beats.append(rng.permutation(np.flatnonzero(forgotten.any(axis=0)))[:count])
        groups.append(forgotten[None, :, beats[-1]])
    order = [pairs, few["retrain"], *(few[name] for name in methods)]
    kinds = [[each.of_patient(index) for index in range(size)] for each in order]
    attacks = settings["unlearned_attacks"]
    done = attack_pairs(dataset, pairs, kinds, beats, groups, settings, attacks)
    crossed = draws_of_attacks(dataset, pairs, settings, seed)
    measures = []
    for a, attack in enumerate(attacks):
        about = (dataset.name, treatment, f"personalization-{attack}")
        success = [
            np.mean([crossed.ratio(part[v, 0], done.right[v, 0]) for part in done.overturned[a]], axis=0)
            for v in range(len(order))
        ]
        held = done.beats[:, 0] > 0  # [V, P]
        away = success[0] - success[1]
        apart = difference_interval(away, int((held[0] & held[1]).sum()))
        for v, name in enumerate(["personalized", "retrain", *methods]):
            group = f"records=forgotten,method={name}"
            counted, compared = int(done.beats[v, 0].sum()), int((held[v] & held[1]).sum())
            limits = rate_interval(success[v][0], success[v][1:], held[v].sum())
            row = Measure(*about, "success", float(success[v][0]), *limits, n=counted, group=group)
            measures.append(replace(row, patients=int(held[v].sum())))
            if name == "retrain":
                continue
            limits = difference_interval(success[v] - success[1], compared)
            measures.append(Measure(*about, "success_over_retrain", *limits, n=counted, group=group, patients=compared))
            if v:
                nearer = np.abs(away) - np.abs(success[v] - success[1])
                people = int((held[v] & held[0] & held[1]).sum())
                figure, verdict = hypothesis(about, "h2", nearer, f"method={name}", people)
                told_apart = apart[1] > 0 or apart[2] < 0
                measures += [figure, verdict if told_apart else untestable(verdict)]
    return measures


def hypothesis(
    about: tuple[str, str, str], name: str, drawn: np.ndarray, group: str, patients: int
) -> tuple[Measure, Measure]:
    """Return a hypothesis' figure, supported above 0, and its verdict."""
    value, lower, upper = difference_interval(drawn, patients)
    size = {"n": patients, "group": group, "patients": patients}
    return (
        Measure(*about, f"hypothesis_{name}", value, lower, upper, **size),
        Measure(*about, f"verdict_{name}", above_zero((lower, upper), patients), **size),
    )


def untestable(verdict: Measure) -> Measure:
    """Return the verdict as one on what did not occur; that there are too few patients comes first."""
    return verdict if verdict.value == TOO_FEW else replace(verdict, value=NOT_TESTABLE)


def first_replicates(pairs: Pairs, count: int) -> Pairs:
    """Return the pairs of the first replicates."""
    return Pairs(
        network=pairs.network,
        base={name: value[:count] for name, value in pairs.base.items()},
        personal={name: value[:count] for name, value in pairs.personal.items()},
        replicates=pairs.replicates[:count],
        places=pairs.places[:count],
        patients=pairs.patients,
        records=pairs.records[:count],
        early=pairs.early,
    )


def draws_of_attacks(dataset: Dataset, pairs: Pairs, settings: Mapping, seed: int) -> PatientBootstrap:
    """Return the bootstrap draws of attacked replicates and patients: the same for all treatments of a dataset."""
    rng = generator(seed, dataset.name, "personal", "attacks", "bootstrap")
    return PatientBootstrap.draw(rng, len(pairs.patients), settings["bootstraps"], len(pairs.replicates))
