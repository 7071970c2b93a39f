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
  where members were drawn by chance: `split_leaks` is 1 where its interval lies above 1/2.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from medpriv.attacks.language import blind, extraction, ragged, sequences, variants
from medpriv.attacks.language.contenders import (
    PREFIX,
    Contender,
    asked_contender,
    by_patient,
    over_bank,
    plain_contender,
)
from medpriv.attacks.language.learnt import learn_tokens
from medpriv.attacks.language.scores import TRIMMED, in_range, neighbourhood, paraphrase_spread, recall
from medpriv.attacks.language.told import Asking, Told, asking, counts_of, read_exact, read_variants
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
from medpriv.attacks.release.audit import choose_records
from medpriv.attacks.release.contenders import score_plainly
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.language.paraphrase.engine import paraphrases
from medpriv.measures.bootstrap import PatientBootstrap, difference_interval
from medpriv.measures.exposure import exposure_limits, null_quantiles
from medpriv.measures.findings import Findings, Rows
from medpriv.measures.intervals import rate_interval
from medpriv.measures.table import Measure
from medpriv.seeds import generator

BEST = "best"
PARAPHRASE = "-paraphrase"
POOLED = ("loss", "reference")  # scores that patients' records are pooled of in other ways, too
POOLINGS = {"sum": np.add, "max": np.maximum}
BY_REPLICATE = ("loss", "reference", BEST)
TOKEN_COLUMNS = ("patient", "record", "question", "place", "token", "bits", "n_in", "n_out")


@dataclass(frozen=True)
class Group:
    """Records that are attacked together, and the bootstrap of their patients.

    Attributes:
        frame: their members; values are their places in the dataset.
        draws: of patients and of the replicates attacked.
        suffix: of the attacks' names, by what the attacker knows.
    """

    frame: Scores
    draws: PatientBootstrap
    suffix: str = ""

    @property
    def records(self) -> np.ndarray:
        """Where the records stand in the dataset, int64 [U]."""
        return self.frame.value[0].astype(np.int64)


@dataclass(frozen=True)
class Bench:
    """A bank with all that its attackers have.

    Attributes:
        dataset: of texts.
        bank: K replicates.
        ask: scores texts by the models.
        exact: what models say of the candidates' records, then of the population's.
        everyone: the candidates.
        outside: int [Z], the population's records in the dataset.
        counts: int [V], tokens of the population's answers.
        settings: of `medpriv.config.language_attacks.LanguageAttackSettings`.
        seed: the root seed.
    """

    dataset: Dataset
    bank: Bank
    ask: Asking
    exact: Told
    everyone: Group
    outside: np.ndarray
    counts: np.ndarray
    settings: Mapping[str, object]
    seed: int

    @property
    def about(self) -> tuple[str, str]:
        """Dataset and treatment."""
        return self.dataset.name, self.bank.treatment

    def rng(self, *purpose: object) -> np.random.Generator:
        """Return a generator for a purpose: the same for all treatments of the dataset."""
        return generator(self.seed, self.dataset.name, "language", *purpose)

    @property
    def block(self) -> int:
        """The longest text that the models read."""
        return int(self.bank.spec.hyperparameters["block_size"])

    @cached_property
    def said(self) -> Told:
        """What models say of the candidates' records."""
        return self.exact.take(np.arange(len(self.everyone.records)))

    @cached_property
    def values(self) -> dict[str, np.ndarray]:
        """All scores of single texts, [K, N], candidates first."""
        return self.exact.scores()

    def group(self, records: np.ndarray, replicates: int, name: str, suffix: str = "") -> Group:
        """Return some candidate records (int [n], places among the candidates) with the first so many replicates."""
        frame = self.everyone.frame
        patients, patient = np.unique(frame.patient[records], return_inverse=True)
        part = replace(
            frame,
            value=frame.value[:replicates, records],
            members=frame.members[:replicates, records],
            patient=patient,
            patients=frame.patients[patients],
            strata=tuple(replace(one, code=one.code[records]) for one in frame.strata),
        )
        bootstraps = self.settings["bootstraps"]
        return Group(part, PatientBootstrap.draw(self.rng(name), len(patients), bootstraps, replicates), suffix)

    def some(self, patients: int, *purpose: object) -> np.ndarray:
        """Return the records of some candidate patients, drawn by chance, int: places among the candidates."""
        frame = self.everyone.frame
        chosen = self.rng(*purpose).permutation(len(frame.patients))[:patients]
        return np.flatnonzero(np.isin(frame.patient, chosen))


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
    measures, roc, exposure = _attacked(bench, bench.everyone, _exact_contenders(bench))
    measures += [*_pooled(bench), *_nulls(bench), *_extraction(bench), *_many_texts(bench)]
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
        "exposure": Rows(EXPOSURE_COLUMNS, exposure),
        "tokens": Rows(TOKEN_COLUMNS, _token_rows(bench)),
    }
    return Findings(measures, tables)


def set_up(dataset: Dataset, bank: Bank, base: Bank, settings: Mapping[str, object], seed: int) -> Bench:
    """Return what the attackers have; arguments and errors as of `audit`."""
    dataset.require("text", reason="attacks on language models")
    frame, rows, outsiders = choose_records(dataset, bank, settings, seed)
    outside = rows[-outsiders:]
    counts = counts_of(dataset.records, outside)
    exact = read_exact(dataset, bank, base, rows, counts)
    rng = generator(seed, dataset.name, "language", "bootstrap")
    draws = PatientBootstrap.draw(rng, len(frame.patients), settings["bootstraps"], len(bank))
    ask = asking(bank, base)
    return Bench(dataset, bank, ask, exact, Group(frame, draws), outside, counts, settings, seed)


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
    yield (
        "record",
        [
            *(plain_contender(name, "record", told) for name, told in plain.items()),
            *over_bank("record", loss),
            *(asked_contender(name, "record", frame, one) for name, one in asked.items()),
        ],
    )
    patients = scores_of_patients(frame)
    of_patients = {name: by_patient(frame, one) for name, one in asked.items()}
    of_patients["lira-records"] = sequences.lira_of_records(loss.value, frame.patient)
    yield (
        "patient",
        [
            *(plain_contender(name, "patient", scores_of_patients(told)) for name, told in plain.items()),
            *over_bank("patient", scores_of_patients(loss)),
            *(asked_contender(name, "patient", patients, one) for name, one in of_patients.items()),
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
) -> tuple[list[Measure], list[dict], list[dict]]:
    """Return the figures of all attacks on a group, the strongest's with ROC curves and patients' exposures."""
    measures, roc, exposure = [], [], []
    for level, found in levels:
        for one in found:
            measures += _measured(bench, group, one.scored)[0]
        own, curve = _measured_best(bench, group, found, level)
        measures, roc = measures + own, roc + curve
        for one in found:
            if one.name.removesuffix(group.suffix) in BY_REPLICATE:
                measures += _by_replicate(bench, one.scored)
        exposure = _exposure_rows(bench, group, found)
    return measures, roc, exposure


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
            scored = score_attacks({name: score_plainly}, "patient", replace(patients, value=value))[0]
            yield _area(bench, bench.everyone, scored, name, f"level=patient,pooling={pooling}")


def _nulls(bench: Bench) -> Iterator[Measure]:
    """Yield what must hold 1/2: the base, which saw nobody, and the texts without a model."""
    frame, inside, texts = bench.everyone.frame, len(bench.everyone.records), bench.dataset.records
    of_base = ragged.means(bench.said.base.log_probability, bench.said.base.offsets)
    at, offsets = ragged.entries(texts.offsets, bench.everyone.records)
    bags = blind.bags(texts.tokens[at], offsets, frame.patient, texts.vocabulary)
    told = {
        "null-base": np.broadcast_to(of_base, (len(bench.bank), inside)),
        "blind": blind.out_of_fold(bags, frame.members, frame.patient, bench.rng("blind")),
    }
    for name, value in told.items():
        records = replace(frame, value=value)
        for level, units in (("record", records), ("patient", scores_of_patients(records))):
            scored = score_attacks({name: score_plainly}, level, units)[0]
            found = _area(bench, bench.everyone, scored, name, f"level={level}")
            yield found
            if name == "blind":
                yield replace(found, measure="split_leaks", value=float(found.lower > 0.5), lower=np.nan, upper=np.nan)


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
    records, settings = bench.some(bench.settings["targeted_patients"], "targeted"), bench.settings
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
    records = replace(group.frame, value=value)
    for level, units in (("record", records), ("patient", scores_of_patients(records))):
        scored = score_attacks({name: score_plainly}, level, units)[0]
        yield from _measured(bench, group, replace(scored, attack=PREFIX + name))[0]


def _exposure_rows(bench: Bench, group: Group, found: Sequence[Contender]) -> list[dict]:
    """Return one row a candidate patient, by the attack that is the best on the other half of the patients."""
    units, members = found[0].told, found[0].told.members
    if found[0].scored.level != "patient" or group.suffix:
        return []
    half = bench.rng("exposure", "halves").permuted(np.arange(members.shape[1]) % 2 == 0)
    picked = best.pick_by_half(found, half)

    def exposure_of(told: np.ndarray) -> np.ndarray:
        return best.exposures(found, told, half, picked)

    null = null_quantiles(exposure_of, members, bench.rng("exposure", "null"))
    inside, count, exposure = members.sum(axis=0), np.bincount(group.frame.patient), exposure_of(members)
    lower, upper = exposure_limits(exposure, inside, len(members) - inside, null)
    return [
        {
            "patient": bench.dataset.patients[units.patients[who]],
            "groups": ",".join(f"{one.key}={one.names[one.code[who]]}" for one in units.strata),
            "attack": f"{PREFIX}{BEST}",
            "exposure": exposure[who],
            "lower": lower[who],
            "upper": upper[who],
            "null_lower": null[0],
            "null_upper": null[1],
            "n_in": inside[who],
            "n_out": len(members) - inside[who],
            "records": count[who],
        }
        for who in range(len(inside))
    ]


def _token_rows(bench: Bench) -> list[dict]:
    """Return the tokens that give each patient away: those with the most bits, replicates in over replicates out."""
    said, frame, texts = bench.said, bench.everyone.frame, bench.dataset.records
    text, members = ragged.text_of(said.base.offsets), frame.members
    inside = members[:, text]
    gain = said.log_probabilities.astype(np.float64)
    counts = [side.sum(axis=0) for side in (inside, ~inside)]
    with np.errstate(invalid="ignore", divide="ignore"):
        means = [(gain * side).sum(axis=0) / count for side, count in zip((inside, ~inside), counts, strict=True)]
    bits = np.nan_to_num((means[0] - means[1]) / np.log(2), nan=-np.inf)
    place, patient = ragged.place_of(said.base.offsets), frame.patient[text]
    order = np.lexsort((-bits, patient))
    starts = np.flatnonzero(np.diff(patient[order], prepend=-1))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    rows = []
    for at in order[(rank < bench.settings["token_rows"]) & np.isfinite(bits[order])]:
        record = bench.everyone.records[text[at]]
        rows.append(
            {
                "patient": bench.dataset.patients[bench.dataset.patient[record]],
                "record": int(record),
                "question": texts.questions[texts.question[record]],
                "place": int(place[at]),
                "token": texts.tokenizer.decode([int(said.tokens[at])]),
                "bits": float(bits[at]),
                "n_in": int(counts[0][at]),
                "n_out": int(counts[1][at]),
            }
        )
    return rows
