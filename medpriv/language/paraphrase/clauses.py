"""The order of a clause: when, what and how much in another place.

Rules fit answers that are one clause. Each has a pattern of the original, and templates of either half with the
pattern's groups, whose own words are reworded as well.
"""

import re
from dataclasses import dataclass

from medpriv.language.paraphrase.sites import Site

Plan = tuple[str | tuple[int, int], ...]  # literal text and spans of the original


@dataclass(frozen=True)
class Order:
    """A pattern, and how each half orders its groups."""

    pattern: re.Pattern
    first: tuple[str, ...]
    second: tuple[str, ...]


_DAY = r"(?:day|hospital day|HD) \d{1,3}"
_WHEN = rf"(?P<when>{_DAY}(?: at \d\d:\d\d)?)"
_BODY = r"(?P<body>(?:(?! from |\bday \d|; |\. ).)+?)"

_ORDERS = (
    (
        rf"(?P<what>the .+? (?:rose|fell)) (?P<from>from .+? on {_DAY}) (?P<to>to .+? on {_DAY})",
        ("{what} {to} {from}",),
        ("{what}, {from}, {to}",),
    ),
    (
        rf"(?P<when>from {_DAY} to {_DAY}) (?P<what>the .+ (?:rose|fell) from .+)",
        ("{what}, {when}",),
        ("{what} ({when})", "{when}: {what}"),
    ),
    (
        rf"(?P<what>.+ was given) (?P<when>from {_DAY} to {_DAY})",
        ("{when}, {what}",),
        ("{what} ({when})", "{when}: {what}"),
    ),
    (
        rf"(?P<what>.+) (?P<end>was stopped on {_DAY}), having (?P<begin>started on {_DAY})",
        ("{what}, {begin}, {end}",),
        ("{what} {end} ({begin})", "{what}: {begin}, {end}"),
    ),
    (rf"{_BODY} on {_WHEN}", ("on {when}, {body}", "on {when} {body}"), ("{body} ({when})", "{when}: {body}")),
    (rf"on {_WHEN},? {_BODY}", ("{body}, {when}",), ("{body} ({when})", "{when}: {body}")),
    (
        r"the patient spent (?P<days>[\d.]+ days) in (?P<unit>the .+) first",
        ("the patient first spent {days} in {unit}",),
        ("{unit} first: {days}",),
    ),
    (
        r"(?P<what>the patient was admitted) (?P<when>on .+? at \d\d:\d\d) (?P<how>(?:as|for|by|on) .+)",
        ("{when}, {what} {how}",),
        ("{what} {how} ({when})",),
    ),
    (
        r"(?P<when>\d.+? at \d\d:\d\d), (?P<how>.+)",
        ("{how}, {when}",),
        ("{how} ({when})",),
    ),
    (_BODY, ("{body}",), ("{body}",)),
)
ORDERS = tuple(Order(re.compile(pattern), first, second) for pattern, first, second in _ORDERS)

# What was said of it: within a body.
_COPULA = re.compile(
    r"(?P<the>the )(?!patient|stay was)(?P<subject>[^,:]+?) (?:was|lasted)"
    r"(?P<value> (?!\w+ed\b|given|begun|in |at |on |not ).+)"
)


def plans(text: str, sites: list[Site]) -> tuple[tuple[Plan, ...], tuple[Plan, ...]]:
    """Return other orders of a text, those of the first and of the second half; none where no rule fits.

    A rule whose groups would cut through one of the sites doesn't fit.
    """
    for order in ORDERS:
        found = order.pattern.fullmatch(text)
        if found and not _cut(found, sites):
            return _plans(text, found, order.first, sites, 0), _plans(text, found, order.second, sites, 1)
    return (), ()


def _plans(text: str, found: re.Match, templates: tuple[str, ...], sites: list[Site], half: int) -> tuple[Plan, ...]:
    spans: dict[str, Plan] = {name: (found.span(name),) for name in found.groupdict()}
    made = [_filled(template, spans) for template in templates if template != "{body}"]
    if "body" in spans and (body := _body(text, *found.span("body"), sites, half)):
        spans["body"] = body
        made += [_filled(template, spans) for template in templates]
        start, end = found.span("body")
        made.append(((0, start), *body, (end, len(text))))
    return tuple(dict.fromkeys(made))


def _body(text: str, start: int, end: int, sites: list[Site], half: int) -> Plan:
    """Return the body in another order: value first, or after a colon; empty where it isn't `the ... was ...`."""
    found = _COPULA.fullmatch(text, start, end)
    if not found or _cut(found, sites):
        return ()
    value = (found.start("value") + 1, found.end("value"))
    if half:
        return (found.span("subject"), ": ", value)
    if "," in found["value"] or " lasted " in found.group():
        return ()
    return (value, " was the ", found.span("subject"))


def _filled(template: str, spans: dict[str, Plan]) -> Plan:
    plan: list[str | tuple[int, int]] = []
    for part in re.split(r"(\{\w+\})", template):
        plan += spans[part[1:-1]] if part.startswith("{") else [part] if part else []
    return tuple(plan)


def _cut(found: re.Match, sites: list[Site]) -> bool:
    """Say whether a group begins or ends within a site."""
    edges = {edge for name in found.groupdict() for edge in found.span(name)}
    return any(site.start < edge < site.end for site in sites for edge in edges)
