"""What is asked of a patient's record, and the answers: fifteen kinds, each in several wordings.

An answer is a clause that holds values, units, days and times, so that it tells something of one patient alone, and
that can be said in other words. A kind is a function from an admission to facts: what fills its wording, and the
events that a reader needs to answer. Which of them are drawn, and how they become a model's texts, is in
`medpriv.language.prompts`.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import NamedTuple

from medpriv.language.events import (
    Admission,
    Event,
    Lab,
    Order,
    arrival,
    clock,
    date_of,
    departure,
    lab_event,
    start_event,
    stop_event,
    woman_or_man,
    years,
)

MOST_TOGETHER = 2  # drugs in one answer
SHORTEST_TREND = 3  # results


class Fact(NamedTuple):
    """What can be asked: the kind, what fills its wording, and the events that hold the answer."""

    kind: str
    slots: Mapping[str, str]
    evidence: tuple[Event, ...]


class Wording(NamedTuple):
    """Ways to ask; way i goes with answer i, counted round."""

    asked: tuple[str, ...]
    answers: tuple[str, ...]

    def write(self, way: int, slots: Mapping[str, str]) -> tuple[str, str]:
        """Return a question and its answer."""
        return self.asked[way].format(**slots), self.answers[way % len(self.answers)].format(**slots)


def _value(which: str, *others: str) -> Wording:
    asked = ("what was the {which} {lab}?", "{which} {lab}?", *others)
    answers = (
        "the {which} {lab} was {quantity} on day {day} at {time}",
        "on day {day} at {time} the {which} {lab} was {quantity}",
    )
    return Wording(*(tuple(each.replace("{which}", which) for each in group) for group in (asked, answers)))


WORDINGS = {
    "last value": _value("last", "what did the final {lab} show?", "which {lab} was measured last?"),
    "first value": _value("first", "what was the {lab} at the start?", "which {lab} was measured first?"),
    "highest value": _value("highest", "how high did the {lab} rise?", "what was the peak {lab}?"),
    "lowest value": _value("lowest", "how low did the {lab} fall?", "what was the minimum {lab}?"),
    "trend": Wording(
        ("how did the {lab} change?", "what was the trend of the {lab}?", "{lab} over the stay?"),
        (
            "the {lab} {moved} from {first} on day {first_day} to {last} on day {last_day}",
            "from day {first_day} to day {last_day} the {lab} {moved} from {first} to {last}",
        ),
    ),
    "drugs of a day": Wording(
        ("which drugs were started on day {day}?", "what was newly given on day {day}?", "new drugs on day {day}?"),
        ("{drugs} {was} started on day {day}", "on day {day} {drugs} {was} started"),
    ),
    "dose": Wording(
        ("at what dose was {drug} started?", "how was {drug} given at first?", "first dose of {drug}?"),
        ("{drug} was started at {dose} {route} on day {day}", "on day {day} {drug} was started at {dose} {route}"),
    ),
    "end of a drug": Wording(
        ("how long was {drug} given?", "when was {drug} stopped?", "until when did {drug} run?"),
        (
            "{drug} {dose} was given from day {day} to day {last_day}",
            "{drug} {dose} was stopped on day {last_day}, having started on day {day}",
        ),
    ),
    "first unit": Wording(
        ("which intensive care unit came first?", "where was intensive care given first?", "first unit?"),
        ("the first unit was the {unit}, for {days} days", "the patient spent {days} days in the {unit} first"),
    ),
    "way of admission": Wording(
        ("how was the patient admitted?", "how and when did the patient come?", "way of admission?"),
        ("the patient was admitted on {date} at {time} {manner}", "{date} at {time}, {manner} {origin}"),
    ),
    "reason of admission": Wording(
        ("what was the admission diagnosis?", "why was the patient admitted?", "reason of admission?"),
        ("the admission diagnosis was {reason}", "the patient was admitted for {reason}"),
    ),
    "coded diagnosis": Wording(
        ("what was the first coded diagnosis?", "how was the stay coded?", "principal diagnosis?"),
        ("the first coded diagnosis was {coded}", "the stay was coded as {coded}"),
    ),
    "length of stay": Wording(
        ("how long was the hospital stay?", "how many days did the stay last?", "length of stay?"),
        ("the hospital stay lasted {days} days", "the patient was in hospital for {days} days"),
    ),
    "discharge": Wording(
        ("how did the stay end?", "where did the patient go?", "what was the outcome of the stay?"),
        ("the patient {ended} on day {day} at {time}", "on day {day} at {time} the patient {ended}"),
    ),
    "age": Wording(
        ("how old was the patient?", "what was the patient's age?", "age and sex?"),
        ("the patient was a {who} of {years} at admission", "a {who} of {years} was admitted"),
    ),
}
KINDS = tuple(WORDINGS)


def facts(admission: Admission, sex: str) -> Iterator[Fact]:
    """Yield all that can be asked about an admission; no two have the same question."""
    for name, labs in _by_name(admission.labs):
        yield from _values(admission, name, labs)
    yield from _drugs(admission)
    for kind, make in _STAYS.items():
        if slots := make(admission, sex):
            yield Fact(kind, slots, tuple(event(admission, sex) for event in _TOLD_BY.get(kind, (arrival,))))


def _by_name(labs: tuple[Lab, ...]) -> Iterator[tuple[str, list[Lab]]]:
    ordered = sorted(labs, key=lambda lab: (lab.name, lab.time))
    for name, group in groupby(ordered, key=lambda lab: lab.name):
        yield name, list(group)


def _values(admission: Admission, name: str, labs: list[Lab]) -> Iterator[Fact]:
    """Yield the facts of one quantity: extremes are the earliest of equals, and only of more than one result."""
    found = {"last value": labs[-1]}
    if len(labs) > 1:
        found["first value"] = labs[0]
        found["highest value"] = max(labs, key=lambda lab: lab.value)
        found["lowest value"] = min(labs, key=lambda lab: lab.value)
    for kind, lab in found.items():
        slots = {"quantity": lab.quantity, "day": f"{admission.day(lab.time)}", "time": clock(lab.time)}
        yield Fact(kind, {"lab": name} | slots, (lab_event(admission, lab),))
    first, last = labs[0], labs[-1]
    apart = admission.day(first.time) < admission.day(last.time) and first.value != last.value
    if len(labs) >= SHORTEST_TREND and apart:
        moved = "rose" if first.value < last.value else "fell"
        days = {"first_day": f"{admission.day(first.time)}", "last_day": f"{admission.day(last.time)}"}
        slots = {"lab": name, "moved": moved, "first": first.quantity, "last": last.quantity} | days
        yield Fact("trend", slots, (lab_event(admission, first), lab_event(admission, last)))


def _drugs(admission: Admission) -> Iterator[Fact]:
    """Yield the facts of orders. One of several orders of a drug that began together would be a guess: left out."""
    first_days: dict[int, list[Order]] = {}
    ordered = sorted(admission.orders, key=lambda order: (order.name, order.start))
    for _, group in groupby(ordered, key=lambda order: order.name):
        orders = list(group)
        if len(orders) == 1 or orders[0].start < orders[1].start:
            yield _dose(admission, orders[0])
            if len(orders) == 1 and orders[0].stop is not None and orders[0].start < orders[0].stop:
                yield _end(admission, orders[0])
        first_days.setdefault(admission.day(orders[0].start), []).append(orders[0])
    for day, orders in first_days.items():
        alone = all(sum(o.name == order.name and o.start == order.start for o in ordered) == 1 for order in orders)
        if len(orders) <= MOST_TOGETHER and alone:
            drugs = " and ".join(f"{order.name} {order.dose} {order.route}" for order in orders)
            slots = {"drugs": drugs, "was": "was" if len(orders) == 1 else "were", "day": f"{day}"}
            yield Fact("drugs of a day", slots, tuple(start_event(admission, order) for order in orders))


def _dose(admission: Admission, order: Order) -> Fact:
    slots = {"drug": order.name, "dose": order.dose, "route": order.route, "day": f"{admission.day(order.start)}"}
    return Fact("dose", slots, (start_event(admission, order),))


def _end(admission: Admission, order: Order) -> Fact:
    days = {"day": f"{admission.day(order.start)}", "last_day": f"{admission.day(order.stop)}"}
    evidence = (start_event(admission, order), stop_event(admission, order))
    return Fact("end of a drug", {"drug": order.name, "dose": order.dose} | days, evidence)


def _unit(admission: Admission, _: str) -> dict[str, str]:
    if not admission.unit or admission.unit_days is None:
        return {}
    return {"unit": admission.unit, "days": f"{admission.unit_days:.1f}"}


def _way(admission: Admission, _: str) -> dict[str, str]:
    if not (admission.manner and admission.origin):
        return {}
    when = {"date": date_of(admission.admitted), "time": clock(admission.admitted)}
    return when | {"manner": admission.manner, "origin": admission.origin}


def _discharge(admission: Admission, _: str) -> dict[str, str]:
    end = admission.discharged
    if not (admission.died or admission.left):
        return {}
    ended = "died" if admission.died else f"was discharged {admission.left}"
    return {"ended": ended, "day": f"{admission.day(end)}", "time": clock(end)}


def _length(admission: Admission, _: str) -> dict[str, str]:
    return {"days": f"{(admission.discharged - admission.admitted).total_seconds() / 86400:.1f}"}


# Facts of the stay as a whole: what fills the wording of each kind; nothing if it isn't known.
_STAYS: dict[str, Callable[[Admission, str], dict[str, str]]] = {
    "first unit": _unit,
    "way of admission": _way,
    "reason of admission": lambda admission, _: {"reason": admission.reason} if admission.reason else {},
    "coded diagnosis": lambda admission, _: {"coded": admission.coded} if admission.coded else {},
    "length of stay": _length,
    "discharge": _discharge,
    "age": lambda admission, sex: {"who": woman_or_man(sex), "years": years(admission.age)},
}
# Which events tell of the stay, where the arrival alone does not.
_TOLD_BY = {"coded diagnosis": (departure,), "length of stay": (arrival, departure), "discharge": (departure,)}
