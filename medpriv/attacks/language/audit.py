"""Whose texts was a language model fine-tuned on? By the exact record, and by a paraphrase of it alone.

Every replicate of a bank is the target in turn; the others are its shadows. Candidates are the training patients;
records of the test patients, whom nobody trained on, are the population, and the base before fine-tuning is the
reference model. Attacks are called `language-<score>` in groups `level=record` and `level=patient` (a patient's score
is the mean over the patient's records; `pooling=sum` and `pooling=max` beside it where that is asked), and end in
`-paraphrase` where the attacker has nothing but other wordings of the record. Beside them:

- `language-best`, `language-best-paraphrase`: the strongest, chosen on other replicates
  (`medpriv.attacks.release.best`), with its level of chance, ROC curve, AUC in subgroups and by replicate
  (`auc_of_replicate`), and each patient's exposure; `chosen_share` of an attack is for how many targets it is chosen;
- on a few replicates and patients, since each record needs many texts: `language-neighbourhood`, `language-recall`,
  and the range attack, `language-range-...-paraphrase`; on the paraphrased patients `language-paraphrase-gap`, its
  calibrated form and its spread;
- `language-extraction-...`: answers that models write down, of members and of others;
- nulls: `language-null-base`, `language-null-shuffled` and `language-null-members` hold 1/2; so does `language-blind`
  where members were drawn by chance, and `language-blind-test`, which tells training patients from test patients:
  `split_leaks` is 1 where the AUC lies above what changing patients' places gives, `auc_chance`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import stdtrit

from medpriv.attacks.language import blind, extraction, ragged, sequences, variants
from medpriv.attacks.language.bench import Bench, Group, set_up
from medpriv.attacks.language.contenders import (
    PREFIX,
    Contender,
    asked_contender,
    of_patients,
    over_bank,
    plain_contender,
)
from medpriv.attacks.language.learnt import learn_tokens
from medpriv.attacks.language.patients import TOKEN_COLUMNS, exposure_rows, token_rows
from medpriv.attacks.language.scores import TRIMMED, in_range, neighbourhood, paraphrase_spread, recall
from medpriv.attacks.language.told import Told, read_variants
from medpriv.attacks.membership.audit import EXPOSURE_COLUMNS, subgroups
from medpriv.attacks.membership.scored import (
    ROC_COLUMNS,
    Scored,
    mean_auc,
    measure_attack,
    measure_subgroup,
    score_attacks,
)
from medpriv.attacks.membership.scores import Scores, scores_of_patients
from medpriv.attacks.release import best
from medpriv.attacks.release.contenders import score_plainly
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.language.paraphrase.engine import paraphrases
from medpriv.measures.bootstrap import PatientBootstrap, difference_interval
from medpriv.measures.findings import Findings, Rows
from medpriv.measures.intervals import LEVEL, rate_interval
from medpriv.measures.table import Measure

BEST = "best"
PARAPHRASE = "-paraphrase"
POOLED = ("loss", "reference")  # scores that patients' records are pooled of in other ways, too
POOLINGS = {"sum": np.add, "max": np.maximum}
BY_REPLICATE = ("loss", "reference", BEST)


def audit(dataset: Dataset, bank: Bank, base: Bank, settings: Mapping[str, object], seed: int) -> Findings:
    """Attack every replicate with every attack, on records and on patients.

    Args:
        dataset: of texts, that the bank was fine-tuned on.
        bank: K >= 2 replicates with token scores and weights.
        base: the model before fine-tuning, a bank of one.
        settings: of `medpriv.config.language_attacks.LanguageAttackSettings`.
        seed: the root seed; draws depend on it and the dataset's name alone, so treatments are compared on the same.

    Returns:
        Measures, and the tables `roc`, `exposure` and `tokens`.

    Raises:
        InputError: the dataset is of other records, has fewer than two test patients, or a bank is of other texts.
    """
    bench = set_up(dataset, bank, base, settings, seed)
    measures, roc, on_patients = _attacked(bench, bench.everyone, _exact_contenders(bench))
    measures += [*_pooled(bench), *_null_base(bench), *_blind(bench), *_extraction(bench), *_many_texts(bench)]
    paraphrased = bench.some(settings["paraphrased_patients"], "paraphrased")
    told, origin = _reworded(bench, paraphrased, settings["paraphrases"], len(bank), "paraphrases")
    if len(origin):
        there = np.unique(origin)
        group = bench.group(paraphrased[there], len(bank), "paraphrase bootstrap", PARAPHRASE)
        place = np.searchsorted(there, origin)
        measures += _gaps(bench, group, told, place, paraphrased[there])
        found, curves, _ = _attacked(bench, group, _paraphrase_contenders(group, told, place))
        measures, roc = measures + found, roc + curves
    tables = {
        "roc": Rows(ROC_COLUMNS, roc),
        "exposure": Rows(EXPOSURE_COLUMNS, exposure_rows(bench, on_patients)),
        "tokens": Rows(TOKEN_COLUMNS, token_rows(bench)),
    }
    return Findings(measures, tables)


def _exact_contenders(bench: Bench) -> Iterator[tuple[str, list[Contender]]]:
    """Yield the levels with the attacks of whoever knows the exact records."""
    frame, inside = bench.everyone.frame, len(bench.everyone.records)
    values, said = bench.values, bench.said
    outside = bench.dataset.patient[bench.outside]
    plain = {name: replace(frame, value=value[:, :inside]) for name, value in values.items()}
    loss = replace(
        plain["loss"],
        log_likelihood=values["loss"][:, :inside],
        population=values["loss"][:, inside:],
        population_patient=np.unique(outside, return_inverse=True)[1],
    )
    population = bench.exact.take(np.arange(inside, inside + len(bench.outside)))
    tokens = (said.log_probabilities, said.base.offsets)
    asked = {
        "lira-sequence": sequences.lira_of_tokens(*tokens),
        "informia-token": sequences.informia_of_tokens(*tokens, population.log_probabilities, population.base.offsets),
    }
    learnt = learn_tokens(
        bench.exact.targets, bench.exact.base, bench.exact.known, frame.members, frame.patient, bench.rng("folds")
    )
    asked["learnt"] = lambda members, targets, withheld: learnt.of(targets, withheld)
    tokenwise = [asked_contender(name, "record", frame, one) for name, one in asked.items()]
    yield (
        "record",
        [
            *(plain_contender(name, "record", told) for name, told in plain.items()),
            *over_bank("record", loss),
            *tokenwise,
        ],
    )
    patients = scores_of_patients(frame)
    yield (
        "patient",
        [
            *(plain_contender(name, "patient", scores_of_patients(told)) for name, told in plain.items()),
            *over_bank("patient", scores_of_patients(loss)),
            *(of_patients(one, patients) for one in tokenwise),
            asked_contender("lira-records", "patient", patients, sequences.lira_of_records(loss.value, frame.patient)),
        ],
    )


def _paraphrase_contenders(group: Group, told: Told, origin: np.ndarray) -> Iterator[tuple[str, list[Contender]]]:
    """Yield the levels with the attacks of whoever knows paraphrases alone: means over a record's wordings.

    Args:
        told: of the wordings.
        origin: int [M], rising, the group's record that each words.
    """
    count = np.bincount(origin)
    starts = np.searchsorted(origin, np.arange(len(count)))
    records = {
        name: replace(group.frame, value=np.add.reduceat(value, starts, axis=1) / count)
        for name, value in told.scores().items()
    }
    for level in ("record", "patient"):
        units = records if level == "record" else {name: scores_of_patients(one) for name, one in records.items()}
        yield (
            level,
            [
                *(plain_contender(f"{name}{PARAPHRASE}", level, one) for name, one in units.items()),
                *over_bank(level, units["loss"], PARAPHRASE),
            ],
        )


def _attacked(
    bench: Bench, group: Group, levels: Iterator[tuple[str, list[Contender]]]
) -> tuple[list[Measure], list[dict], list[Contender]]:
    """Return the figures of all attacks on a group, the strongest's with ROC curves, and the attacks on patients."""
    measures, roc = [], []
    for level, found in levels:
        for one in found:
            measures += _measured(bench, group, one.scored)[0]
        own, curve = _measured_best(bench, group, found, level)
        measures, roc = measures + own, roc + curve
        for one in found:
            if one.name.removesuffix(group.suffix) in BY_REPLICATE:
                measures += _by_replicate(bench, one.scored)
    return measures, roc, found


def _measured(bench: Bench, group: Group, scored: Scored, points: int = 0) -> tuple[list[Measure], list[dict]]:
    """Return one attack's figures over all units of its level, and its ROC curve."""
    rates = bench.settings["false_positive_rates"]
    return measure_attack(scored, rates, group.draws, (*bench.about, scored.attack), points=points)


def _measured_best(
    bench: Bench, group: Group, found: Sequence[Contender], level: str
) -> tuple[list[Measure], list[dict]]:
    """Return the figures of the strongest attack of a level, those of chance and of its nulls, and its ROC curve."""
    choice, name, draws = best.choose(found), f"{PREFIX}{BEST}{group.suffix}", group.draws
    scored = replace(best.chosen_scored(found, choice), attack=name)
    measures, roc = measure_attack(scored, bench.settings["false_positive_rates"], draws, (*bench.about, name))
    chance = best.measure_chance(found, choice, bench.rng(level, f"chance{group.suffix}"), bench.about)
    measures.append(replace(chance, attack=name))
    for index in np.unique(choice):
        share = float((choice == index).mean())
        about = (*bench.about, found[index].scored.attack, "chosen_share")
        measures.append(Measure(*about, share, n=len(choice), group=f"level={level}"))
    measures += [
        measure_subgroup(scored, inside, f"level={level},{key}", draws, (*bench.about, name))
        for key, inside in subgroups(found[0].told, level)
    ]
    if not group.suffix:
        null = best.shuffled(found, bench.rng(level, "shuffled"))
        measures.append(_area(bench, group, null, "null-shuffled", f"level={level}"))
        about = (*bench.about, f"{PREFIX}null-members")
        measures.append(best.measure_members(scored, draws, bench.rng(level, "halves"), about))
    return measures + _by_replicate(bench, scored), roc


def _valued(level: str, units: Scores) -> Scored:
    """Return values as scores for an AUC alone: nobody sets thresholds."""
    replicates, count = units.value.shape
    nobody = np.empty((replicates, 0, count))
    shadows = np.empty((replicates, 0), np.int64)
    return Scored("", level, units.value, shadows, nobody, nobody, units.members, units.patient)


def _area(bench: Bench, group: Group, scored: Scored, name: str, key: str) -> Measure:
    """Return the AUC alone, over all units."""
    everyone = np.ones(scored.members.shape[1], bool)
    return measure_subgroup(scored, everyone, key, group.draws, (*bench.about, f"{PREFIX}{name}"))


def _by_replicate(bench: Bench, scored: Scored) -> list[Measure]:
    """Return each target's AUC: what paired comparisons of treatments are made of."""
    return [
        Measure(
            *(*bench.about, scored.attack, "auc_of_replicate"),
            mean_auc(scores[None], members[None]),
            n=int((~members).sum()),
            group=f"level={scored.level}",
            replicate=str(replicate),
        )
        for replicate, scores, members in zip(bench.bank.replicates, scored.scores, scored.members, strict=True)
    ]


def _pooled(bench: Bench) -> Iterator[Measure]:
    """Yield the AUC of patients by the sum and by the highest of their records' scores."""
    frame = bench.everyone.frame
    order = np.argsort(frame.patient, kind="stable")
    starts = np.flatnonzero(np.diff(frame.patient[order], prepend=-1))
    patients = scores_of_patients(frame)
    for name in POOLED:
        for pooling, operation in POOLINGS.items():
            value = operation.reduceat(bench.values[name][:, order], starts, axis=1)
            scored = _valued("patient", replace(patients, value=value))
            yield _area(bench, bench.everyone, scored, name, f"level=patient,pooling={pooling}")


def _null_base(bench: Bench) -> Iterator[Measure]:
    """Yield the AUC of the base's own loss, which must hold 1/2: it saw nobody."""
    frame, base = bench.everyone.frame, bench.said.base
    value = np.broadcast_to(ragged.means(base.log_probability, base.offsets), frame.members.shape)
    for level, units in _levels(replace(frame, value=value)):
        yield _area(bench, bench.everyone, _valued(level, units), "null-base", f"level={level}")


def _blind(bench: Bench) -> Iterator[Measure]:
    """Yield what texts tell without a model: of members among candidates, and of candidates among all patients."""
    texts, outside, inside = bench.dataset.records, bench.outside, len(bench.everyone.records)
    rows = np.concatenate([bench.everyone.records, outside])
    at, offsets = ragged.entries(texts.offsets, rows)
    patients, patient = np.unique(bench.dataset.patient[rows], return_inverse=True)
    bags = blind.bags(texts.tokens[at], offsets, patient, texts.vocabulary)
    candidate = np.arange(len(rows))[None] < inside
    everybody = Scores(candidate.astype(np.float64), candidate, patient, patients)
    draws = PatientBootstrap.draw(bench.rng("blind test bootstrap"), len(patients), bench.settings["bootstraps"])
    groups = {"blind": (bench.everyone, bags[:inside]), "blind-test": (Group(everybody, draws), bags)}
    for name, (group, features) in groups.items():
        truth, own = group.frame.members, group.frame.patient
        value = blind.out_of_fold(features, truth, own, bench.rng(name))
        redrawn = [
            replace(group.frame, value=scores, members=members)
            for scores, members in blind.chance(features, truth, own, bench.rng(name, "chance"))
        ]
        changed = [dict(_levels(one)) for one in redrawn]
        for level, units in _levels(replace(group.frame, value=value)):
            found = _area(bench, group, _valued(level, units), name, f"level={level}")
            drawn = np.array([mean_auc(one[level].value, one[level].members) for one in changed])
            middle, reach = float(drawn.mean()), _reach(drawn)
            limits = {"lower": max(middle - reach, 0.0), "upper": min(middle + reach, 1.0)}
            yield found
            yield replace(found, measure="auc_chance", value=middle, **limits)
            leaks = float(found.value > limits["upper"])
            yield replace(found, measure="split_leaks", value=leaks, lower=np.nan, upper=np.nan)


def _reach(drawn: np.ndarray) -> float:
    """Return how far from the mean of redraws 95 % of further ones lie (Student)."""
    return float(stdtrit(len(drawn) - 1, (1 + LEVEL) / 2) * drawn.std(ddof=1) * np.sqrt(1 + 1 / len(drawn)))


def _levels(records: Scores) -> Iterator[tuple[str, Scores]]:
    """Yield the records, and their patients."""
    yield from (("record", records), ("patient", scores_of_patients(records)))


def _extraction(bench: Bench) -> Iterator[Measure]:
    """Yield which share of answers models write down, of members and of others, and the difference."""
    frame, draws = bench.everyone.frame, bench.everyone.draws
    members, patients = frame.members, scores_of_patients(frame)
    for kind, share in extraction.KINDS.items():
        hits = np.stack([extraction.extracted(target, share) for target in bench.said.targets])
        about = (*bench.about, f"{PREFIX}extraction-{kind}")
        sides = [draws.rates(hits & side, side, frame.patient) for side in (members, ~members)]
        people = patients.members.sum(axis=1).mean()
        counted = {"group": "level=record", "n": int(members.sum(axis=1).mean()), "patients": int(people)}
        for name, side in zip(("members", "others"), sides, strict=True):
            values = draws.over_replicates(side)
            limits = rate_interval(values[0], values[1:], people)
            yield Measure(*about, f"extracted_{name}", float(values[0]), *limits, **counted)
        gain = draws.over_replicates(sides[0] - sides[1])
        yield Measure(*about, "extraction_gain", *difference_interval(gain, people), **counted)


def _reworded(
    bench: Bench, records: np.ndarray, wordings: int, replicates: int, purpose: str
) -> tuple[Told | None, np.ndarray]:
    """Return what is said of other wordings of candidate records, and the place among these that each words."""
    made = variants.paraphrased(
        bench.dataset.records,
        bench.everyone.records[records],
        wordings,
        bench.block,
        paraphrases,
        bench.settings["rules"],
        bench.rng(purpose),
    )
    if not len(made):
        return None, made.origin
    return read_variants(bench.dataset.records, made, bench.ask, replicates, bench.counts), made.origin


def _gaps(bench: Bench, group: Group, told: Told, origin: np.ndarray, records: np.ndarray) -> Iterator[Measure]:
    """Yield the attacks by how far a record lies above its paraphrases, on the group's records."""
    own, reworded = bench.values, told.scores()
    values = {
        "paraphrase-gap": ("loss", neighbourhood),
        "paraphrase-gap-calibrated": ("reference", neighbourhood),
        "paraphrase-spread": ("loss", paraphrase_spread),
    }
    for name, (score, compare) in values.items():
        value = [compare(one[records], others, origin) for one, others in zip(own[score], reworded[score], strict=True)]
        yield from _both_levels(bench, group, name, np.stack(value))


def _many_texts(bench: Bench) -> Iterator[Measure]:
    """Yield the attacks that ask about many texts a record, on a few replicates and patients."""
    replicates = min(bench.settings["targets"], len(bench.bank))
    settings = bench.settings
    records = bench.some(settings["targeted_patients"], "targeted", each=settings["targeted_records"])
    texts, places = bench.dataset.records, bench.everyone.records[records]
    loss = bench.values["loss"][:, records]
    frequency = (bench.counts > 0) * bench.counts / bench.counts.sum()
    near = variants.neighbours(texts, places, settings["neighbours"], frequency, bench.rng("neighbours"))
    rng = bench.rng("shots")
    after = variants.prefixed(texts, places, bench.outside, settings["shots"], bench.block, rng)
    for name, made in (("neighbourhood", near), ("recall", after)):
        if not len(made):
            continue
        there = np.unique(made.origin)
        origin, group = (
            np.searchsorted(there, made.origin),
            bench.group(records[there], replicates, f"{name} bootstrap"),
        )
        value = []
        for place in range(replicates):
            said = bench.ask(place, made.texts)
            others = ragged.means(said.log_probability, said.offsets)
            own = loss[place, there]
            value.append(recall(own, others) if name == "recall" else neighbourhood(own, others, origin))
        yield from _both_levels(bench, group, name, np.stack(value))
    told, origin = _reworded(bench, records, settings["range_paraphrases"], replicates, "range")
    if len(origin):
        there = np.unique(origin)
        place = np.searchsorted(there, origin)
        group = bench.group(records[there], replicates, "range bootstrap")
        calibrated = told.scores()["reference"]
        for name, share in (("trimmed", TRIMMED), ("mean", 1.0), ("max", 0.0)):
            value = np.stack([in_range(one, place, len(there), share) for one in calibrated])
            yield from _both_levels(bench, group, f"range-{name}{PARAPHRASE}", value)


def _both_levels(bench: Bench, group: Group, name: str, value: np.ndarray) -> Iterator[Measure]:
    """Yield an attack's figures on a group's records and on their patients."""
    for level, units in _levels(replace(group.frame, value=value)):
        scored = score_attacks({f"{PREFIX}{name}": score_plainly}, level, units)[0]
        yield from _measured(bench, group, scored)[0]
