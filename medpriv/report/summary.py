"""What the figures say first: who leaks most, what leaking less costs, and which defence helps.

Sentences are made of this by `summary.html`; they claim no more than the intervals allow, and say what they leave out.
Every figure in them stands in `comparison.csv`. What may not be concluded stands in the section `conclusions`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from medpriv.measures.table import Measure
from medpriv.report.comparison import (
    LEVELS,
    Headline,
    leak_level,
    leak_shown,
    named,
    shown,
    strongest_leak,
    worst_class,
)
from medpriv.report.differences import against, by_dataset, defences, oriented
from medpriv.report.enough import enough, people
from medpriv.report.labels import kind_of
from medpriv.report.results import parse_group, resolved

ENOUGH = 30  # unseen patients: models tried on fewer are left out of the first sentence, if others are not


@dataclass(frozen=True)
class LeftOut:
    """Models of one kind that were attacked and not compared.

    Attributes:
        why: `few`, `dull` or `leaking`, as `Pool` has them.
        patients: unseen ones of each.
        higher: how many of them measured higher than the model that is named first.
    """

    why: str
    models: tuple[Headline, ...]
    patients: tuple[int, ...]
    higher: int

    @property
    def datasets(self) -> list[str]:
        """Their datasets."""
        return list(dict.fromkeys(item.result.dataset for item in self.models))


@dataclass(frozen=True)
class Pool:
    """The models that the first sentence compares at a level, and those that it leaves out, by the reason.

    Attributes:
        least: unseen patients that each was tried on; 0 where all have too few, and nothing is compared.
        few: tried on fewer.
        dull: without skill.
        leaking: of a table that gives the outcome away.
    """

    level: str
    least: int
    compared: tuple[Headline, ...]
    few: tuple[Headline, ...]
    dull: tuple[Headline, ...]
    leaking: tuple[Headline, ...]

    def leak(self, item: Headline) -> Measure:
        """Return a model's leak at this level."""
        return item.leak(self.level)

    def highest(self, models: Sequence[Headline]) -> Headline:
        """Return the model with the highest leak."""
        return max(models, key=lambda item: self.leak(item).value)

    def left_out(self, first: Headline) -> list[LeftOut]:
        """Return what was attacked and not compared, beside the model that is named first."""
        found = []
        for why in ("few", "dull", "leaking"):
            models = getattr(self, why)
            leaks = [self.leak(item) for item in models]
            higher = sum(leak.value > self.leak(first).value for leak in leaks)
            found += [LeftOut(why, models, tuple(map(people, leaks)), higher)] if models else []
        return found


@dataclass(frozen=True)
class Leader:
    """The model that gives away most, or, where no leak was shown, the one that measured highest.

    Attributes:
        shown: its leak was shown.
        rivals: the other compared models whose intervals overlap with its own.
        named: without a leak, a model of which some members are named all the same, and at which level.
    """

    item: Headline
    pool: Pool
    shown: bool
    rivals: tuple[Headline, ...]
    named: tuple[Headline, str] | None

    @property
    def leak(self) -> Measure:
        """Its leak."""
        return self.pool.leak(self.item)

    @property
    def left_out(self) -> list[LeftOut]:
        """What was attacked and not compared."""
        return self.pool.left_out(self.item)

    @property
    def alone(self) -> bool:
        """Whether it is the only model compared."""
        return len(self.pool.compared) == 1


@dataclass(frozen=True)
class Price:
    """What the leader is good for, and the cheapest way to reveal less on the same patients.

    The cheapest is the most useful model that leaks less. Only models with skill and patients enough come into it.

    Attributes:
        rivals: how many others may be set beside it.
        best: the cheapest; None where none was shown to leak less.
        cheap: the best isn't less useful.
        apart: the best is less useful, beyond the interval of the leader.
        plain: a model without any defence that leaks less and isn't less useful.
        front: the models that no other beats in both, least leaking first.
    """

    leader: Headline
    level: str
    rivals: int
    best: Headline | None = None
    cheap: bool = False
    apart: bool = False
    plain: Headline | None = None
    front: tuple[Headline, ...] = ()


@dataclass(frozen=True)
class Defended:
    """What defences against small changes of the record do on one dataset, at its reference budget.

    Attributes:
        budget: as the table writes it; of images in grey levels, else in millivolts.
        defences: how many were tried.
        lower: how many lower the flip rate beyond the intervals.
        best: of these the one that helps most, with the bank without a defence; None where each fails a masking check
            or is less useful: a model that always answers the same can't be overturned either.
        rivals: treatments that can't be told apart from it.
    """

    dataset: str
    budget: str
    defences: int
    lower: int
    best: tuple[Headline, Headline] | None
    rivals: tuple[str, ...]
    images: bool = False

    @property
    def worst_classes(self) -> list[tuple[str, Measure]]:
        """The worst class with patients enough of the best and of the one without; empty unless both have one."""
        found = [worst_class(item.class_flips) for item in self.best or ()]
        return [worst for worst in found if worst] if all(found) else []

    @property
    def few_classes(self) -> list[str]:
        """The classes of too few patients to tell."""
        return [label for label, item in self.best[0].class_flips.items() if not enough(item)] if self.best else []


@dataclass(frozen=True)
class OtherKind:
    """The models of a kind that is no classifier, controls aside.

    Attributes:
        kind: a key of the catalogue's kinds.
        judged: how many were attacked on patients enough, of a table that doesn't give the outcome away.
        worst: the one with the highest leak that was shown; None where none was.
    """

    kind: str
    judged: int
    worst: Headline | None

    @property
    def leak(self) -> Measure:
        """What the worst gives away."""
        return strongest_leak(self.worst)

    @property
    def level(self) -> str:
        """Whether that is by patient or by record."""
        return leak_level(self.worst)


@dataclass(frozen=True)
class Summary:
    """What stands at the top of the page.

    Attributes:
        others: the kinds of models beside classifiers of which some were judged.
        leader: None where nothing can be compared.
        wanting: what the models lack that were attacked, where none is compared: reasons as `Pool` has them.
    """

    leader: Leader | None
    wanting: tuple[str, ...]
    price: Price | None
    defences: tuple[Defended, ...]
    others: tuple[OtherKind, ...]


def summarise(headlines: Sequence[Headline], others: Sequence[Headline] = ()) -> Summary:
    """Return who leaks most and how sure that is, what it is good for, and what helps.

    Args:
        headlines: of classifiers, which are compared.
        others: of other models, whose attacks and usefulness are others, so they are told by kind.
    """
    pools = [pool_of(headlines, level) for level in LEVELS]
    leader = _leader(pools)
    wanting = tuple(why for why in ("few", "dull", "leaking") if any(getattr(pool, why) for pool in pools))
    return Summary(
        leader,
        () if leader else wanting,
        price_of(leader.item, headlines, leader.pool.level) if leader else None,
        tuple(found for own in by_dataset(headlines).values() if (found := _defended(own)) is not None),
        tuple(found for kind in dict.fromkeys(item.kind for item in others) if (found := _other_kind(kind, others))),
    )


def _other_kind(kind: str, others: Sequence[Headline]) -> OtherKind | None:
    """Return what was shown of one kind of models; None where none of them was judged."""
    own = [item for item in others if item.kind == kind and item.comparable and not item.control]
    judged = [item for item in own if enough(strongest_leak(item))]
    leaks = [item for item in judged if leak_shown(item)]
    worst = max(leaks, key=lambda item: strongest_leak(item).value, default=None)
    return OtherKind(kind, len(judged), worst) if judged else None


def pool_of(headlines: Sequence[Headline], level: str) -> Pool:
    """Return which models the first sentence compares: the largest of many figures is likely one of the noisiest."""
    attacked = [item for item in headlines if resolved(item.leak(level))]
    sound = [item for item in attacked if item.comparable]
    sure = [item for item in sound if people(item.leak(level)) >= ENOUGH]
    compared = sure or [item for item in sound if enough(item.leak(level))]
    return Pool(
        level,
        ENOUGH if sure else min((people(item.leak(level)) for item in compared), default=0),
        tuple(compared),
        tuple(item for item in sound if item not in compared),
        tuple(item for item in attacked if not item.skilled and not item.leaking),
        tuple(item for item in attacked if item.leaking),
    )


def _leader(pools: Sequence[Pool]) -> Leader | None:
    """Return the model named first: records speak where no leak was shown by patient and one was by record."""
    for pool in pools:
        if leaks := [item for item in pool.compared if shown(item, pool.level)]:
            worst = pool.highest(leaks)
            others = (item for item in pool.compared if item is not worst)
            rivals = tuple(item for item in others if not pool.leak(item).upper < pool.leak(worst).lower)
            return Leader(worst, pool, True, rivals, None)
    for pool in pools:
        if pool.compared:
            yet = ((item, unit) for item in pool.compared for unit in LEVELS if named(item, unit))
            return Leader(pool.highest(pool.compared), pool, False, (), next(yet, None))
    return None


# --- the price ------------------------------------------------------------------------------------------------------


def useful(item: Headline) -> Measure:
    """Return a model's usefulness, turned so that higher is better."""
    return oriented(item.utility)


def price_of(leader: Headline, headlines: Sequence[Headline], level: str) -> Price | None:
    """Return what the leader is good for and the cheapest way to reveal less; None where its use wasn't measured."""
    if leader.utility is None:
        return None
    rivals = [item for item in rivals_of(leader, headlines, level) if item is not leader]
    less = [item for item in rivals if against(item.leak(level), leader.leak(level)) == "less"]
    if not less:
        return Price(leader, level, len(rivals))
    cheap = [item for item in less if useful(item).value >= useful(leader).value]
    best = _most_useful(cheap or less, level)
    plain = [item for item in cheap if kind_of(item.result.treatment) == "baseline"]
    return Price(
        leader,
        level,
        len(rivals),
        best,
        bool(cheap),
        useful(best).value < useful(leader).lower,
        best if best in plain else _most_useful(plain, level) if plain else None,
        tuple(pareto_front([leader, *rivals], level)),
    )


def _most_useful(models: Sequence[Headline], level: str) -> Headline:
    return max(models, key=lambda item: (useful(item).value, -item.leak(level).value))


def rivals_of(leader: Headline, headlines: Sequence[Headline], level: str) -> list[Headline]:
    """Return the models, this one too, whose leak and usefulness may be set beside its own."""
    if not enough(leader.utility):
        return []
    return [
        item
        for item in headlines
        if item.result.dataset == leader.result.dataset
        and item.comparable
        and enough(item.leak(level))
        and enough(item.utility)
        and item.utility.measure == leader.utility.measure
    ]


def pareto_front(models: Sequence[Headline], level: str) -> list[Headline]:
    """Return the models that no other equals or beats both in leaking little and in usefulness, least leaking first."""

    def beaten(item: Headline) -> bool:
        own = (-item.leak(level).value, useful(item).value)
        others = ((-other.leak(level).value, useful(other).value) for other in models)
        return any(other != own and other[0] >= own[0] and other[1] >= own[1] for other in others)

    return sorted((item for item in models if not beaten(item)), key=lambda item: item.leak(level).value)


# --- defences -------------------------------------------------------------------------------------------------------


def _defended(headlines: Sequence[Headline]) -> Defended | None:
    """Return what the defences of one dataset do; None without one that can be judged.

    A defence helps if the intervals show that it lowers the flip rate of the same network, if no check of gradient
    masking failed, and if it is as useful as that network's interval allows.
    """
    pairs = defences(headlines)
    if not pairs:
        return None
    first = pairs[0][0]
    lower = [(item, base) for item, base in pairs if against(item.flip, base.flip) == "less"]
    good = [(item, base) for item, base in lower if not item.failed and _as_useful(item, base)]
    best = max(good, key=lambda pair: pair[1].flip.value - pair[0].flip.value, default=None)
    others = [item for item, base in good if best and base is best[1] and item is not best[0]]
    return Defended(
        first.result.dataset,
        parse_group(first.flip.group)["budget"],
        len(pairs),
        len(lower),
        best,
        tuple(item.result.treatment for item in others if against(best[0].flip, item.flip) != "less"),
        first.result.images,
    )


def _as_useful(item: Headline, base: Headline) -> bool:
    """Tell whether a defended bank's utility is not below the interval of the undefended one's."""
    return enough(item.utility) and enough(base.utility) and useful(item).value >= useful(base).lower
