"""A patient's record as questions see it: who they are, their admissions, what was measured and ordered, and when.

Days are those of the hospital: the day of admission is day 1, whatever the hour. Nothing here knows where records come
from (`medpriv.sources.ehrqa_tables`) or what is asked (`medpriv.language.questions`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

OLDEST = 89  # years; above it a record only says so
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November"),
    "December",
)


class Lab(NamedTuple):
    """One result, `quantity` as a text writes it: number and unit (`4.1 mEq/L`)."""

    time: datetime
    name: str
    value: float
    quantity: str


class Order(NamedTuple):
    """One order of a drug by its generic name; `dose` with its unit, days without an hour."""

    start: datetime
    stop: datetime | None
    name: str
    dose: str
    route: str


@dataclass(frozen=True)
class Admission:
    """One admission; None or an empty text stands for what isn't known.

    Attributes:
        manner, origin: how and from where they came (`as an emergency`, `through the emergency room`).
        unit, unit_days: the first unit of intensive care, and how long the stay there was.
        reason, coded: of admission, and the first coded diagnosis.
        left: where they went (`home`), if they didn't die.
        labs, orders: in the order of time.
    """

    admitted: datetime
    discharged: datetime
    died: bool
    age: float
    manner: str
    origin: str
    unit: str
    unit_days: float | None
    reason: str
    coded: str
    left: str
    labs: tuple[Lab, ...]
    orders: tuple[Order, ...]

    def day(self, time: datetime) -> int:
        """Return the day of the stay; below 1 before it."""
        return (time.date() - self.admitted.date()).days + 1


@dataclass(frozen=True)
class Person:
    """One patient, `sex` F or M, with admissions in the order of time."""

    name: str
    sex: str
    admissions: tuple[Admission, ...]


class Event(NamedTuple):
    """One line of a record, in the order of time (`rank` where times are equal)."""

    time: datetime
    rank: int
    text: str


def arrival(admission: Admission, sex: str) -> Event:
    """Return the admission as an event: age, manner, reason and the first unit."""
    parts = [
        f"{woman_or_man(sex)} of {years(admission.age)} admitted {admission.manner} {admission.origin}".strip(),
        f"on {date_of(admission.admitted)} at {clock(admission.admitted)}",
    ]
    text = " ".join(parts)
    text += f" for {admission.reason}" if admission.reason else ""
    text += f" to the {admission.unit} for {admission.unit_days:.1f} days" if _has_unit(admission) else ""
    return Event(admission.admitted, 0, text)


def departure(admission: Admission, _: str) -> Event:
    """Return the end of the stay as an event, whoever's it was."""
    how = "died" if admission.died else f"discharged {admission.left}".strip()
    coded = f"; coded as {admission.coded}" if admission.coded else ""
    end = admission.discharged
    return Event(end, 3, f"day {admission.day(end)} {clock(end)} {how}{coded}")


def lab_event(admission: Admission, lab: Lab) -> Event:
    """Return a result as an event."""
    return Event(lab.time, 1, f"day {admission.day(lab.time)} {clock(lab.time)} {lab.name} {lab.quantity}")


def start_event(admission: Admission, order: Order) -> Event:
    """Return the start of an order as an event."""
    return Event(
        max(order.start, admission.admitted),
        2,
        f"day {admission.day(order.start)} {order.name} {order.dose} {order.route}",
    )


def stop_event(admission: Admission, order: Order) -> Event:
    """Return the end of an order as an event; it has one."""
    return Event(order.stop, 2, f"day {admission.day(order.stop)} {order.name} stopped")


def events(admission: Admission, sex: str) -> list[Event]:
    """Return all that happened in an admission, in the order of time."""
    return sorted({arrival(admission, sex), *_course(admission), departure(admission, sex)})


def clock(time: datetime) -> str:
    """Return the time of day, `06:00`."""
    return f"{time:%H:%M}"


def date_of(time: datetime) -> str:
    """Return a date, `4 March 2145`."""
    return f"{time.day} {MONTHS[time.month - 1]} {time.year}"


def years(age: float) -> str:
    """Return an age, `71 years`; the oldest are one group, as the tables' publisher has it."""
    return f"over {OLDEST} years" if age > OLDEST else f"{int(age)} years"


def woman_or_man(sex: str) -> str:
    """Return the word for an adult's sex."""
    return "woman" if sex == "F" else "man"


def _course(admission: Admission) -> Iterator[Event]:
    for lab in admission.labs:
        yield lab_event(admission, lab)
    for order in admission.orders:
        yield start_event(admission, order)
        if order.stop is not None:
            yield stop_event(admission, order)


def _has_unit(admission: Admission) -> bool:
    return bool(admission.unit) and admission.unit_days is not None
