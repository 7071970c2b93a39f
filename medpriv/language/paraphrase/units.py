"""Quantities in other units, with as many decimals as bring the value back.

A concentration in mass per volume becomes one of substance by the analyte's molar mass, which the text must name; one
in equivalents is one of substance for ions of one charge alone. Which half writes a conversion is told by the analyte,
so that either half converts some. A converted value has the fewest decimals from which the original, at its own
decimals, can be worked out again.

Factors: molar masses from the standard atomic weights (IUPAC 2021; bilirubin C33H36N4O6, cholesterol C27H46O, glucose
C6H12O6, creatinine C4H7N3O, urea nitrogen as N2, lactate as lactic acid); 1 lb = 0.45359237 kg and 1 in = 2.54 cm
(international yard and pound agreement, 1959); 1 mm Hg = 0.133322 kPa (NIST SP 811).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from medpriv.language.paraphrase.sites import FIRST, SECOND, Site


@dataclass(frozen=True)
class Unit:
    """A unit's other spellings; `plain` is what MIMIC's tables and most texts write."""

    plain: str
    spellings: tuple[str, ...]
    first: tuple[str, ...] = ()
    second: tuple[str, ...] = ()


# What is written beside each unit: in full (first half), in another short form (second half).
UNITS = (
    Unit("mg/dL", ("mg/dl",), ("milligrams per deciliter",), ("mg per dL",)),
    Unit("g/dL", ("g/dl", "gm/dL"), ("grams per deciliter",), ("g per dL",)),
    Unit("mmol/L", ("mmol/l",), ("millimoles per liter",), ("mmol per L",)),
    Unit("mEq/L", ("meq/L", "mEq/l"), ("milliequivalents per liter",), ("mEq per L",)),
    Unit("umol/L", ("µmol/L",), ("micromoles per liter",), ("umol per L",)),
    Unit("g/L", ("g/l",), ("grams per liter",), ("g per L",)),
    Unit("K/uL", ("K/µL",), ("thousand per microliter",), ("x10^9/L",)),
    Unit("mm Hg", ("mmHg",), ("millimeters of mercury",), ("torr",)),
    Unit("%", ("percent",), ("per cent",), ("pct",)),
    Unit("beats/min", ("bpm", "beats per minute"), ("beats a minute",), ("/min",)),
    Unit("breaths/min", ("insp/min", "breaths per minute"), ("breaths a minute",), ("resp/min",)),
    Unit("units", ("UNIT",)),
    Unit("mg", ("MG",), ("milligrams",)),
    Unit("mcg", ("ug", "µg"), ("micrograms",)),
    Unit("mEq", ("meq",), ("milliequivalents",)),
    Unit("IU/L", ("iu/L",), ("international units per liter",), ("U/L",)),
    Unit("ng/mL", ("ng/ml",), ("nanograms per milliliter",), ("ug/L",)),
    Unit("g", ("gm", "GM"), ("grams",)),
    Unit("mL", ("ml", "ML"), ("milliliters",), ("cc",)),
    Unit("kg", ("Kg",), ("kilograms",), ("kilos",)),
    Unit("lb", ("lbs",), ("pounds",)),
    Unit("cm", (), ("centimeters",)),
    Unit("inches", (), ("in.",)),
    Unit("deg F", ("°F",), ("degrees Fahrenheit",), ("deg. Fahrenheit",)),
    Unit("deg C", ("°C",), ("degrees Celsius",), ("deg. Celsius",)),
)

SUBSTANCE = {  # analyte: (g/mol, unit of substance, half that converts)
    "glucose": (180.156, "mmol/L", SECOND),
    "creatinine": (113.120, "umol/L", FIRST),
    "urea nitrogen": (28.014, "mmol/L", SECOND),
    "bun": (28.014, "mmol/L", SECOND),
    "calcium": (40.078, "mmol/L", FIRST),
    "magnesium": (24.305, "mmol/L", SECOND),
    "phosphate": (30.974, "mmol/L", FIRST),
    "phosphorus": (30.974, "mmol/L", FIRST),
    "bilirubin": (584.673, "umol/L", FIRST),
    "cholesterol": (386.664, "mmol/L", SECOND),
    "lactate": (90.078, "mg/dL", SECOND),  # measured in mmol/L
}
MONOVALENT = {"potassium": FIRST, "sodium": SECOND, "chloride": FIRST, "bicarbonate": SECOND}
PROTEINS = {"hemoglobin": FIRST, "albumin": SECOND, "total protein": FIRST}

_NUMBER = r"(?<![\d.,/<>+^-])(\d+(?:\.\d+)?)"
_SPELLING = {spelling: unit for unit in UNITS for spelling in (unit.plain, *unit.spellings)}
_QUANTITY = re.compile(
    _NUMBER + " ?(" + "|".join(re.escape(each) for each in sorted(_SPELLING, key=len, reverse=True)) + r")(?![\w/^-])"
)
_BY_NAME = {unit.plain: unit for unit in UNITS}
_NAMES = re.compile(r"\b(" + "|".join({**SUBSTANCE, **MONOVALENT, **PROTEINS, "pressure": 0}) + r")\b")
_PLURAL = re.compile(r"(?<=[a-z]{4})s\b")
_SALT = re.compile(r"^ (?:chloride|phosphate|gluconate|sulfate|bicarbonate|carbonate|oxide|acetate)\b")


def quantities(text: str) -> Iterator[Site]:
    """Yield the numbers with a unit in a text, and how else they could be written."""
    analyte = None
    for found in _QUANTITY.finditer(text):
        number, unit = found[1], _SPELLING[found[2]]
        if analyte is None:
            analyte = _analyte(text)
        forms = {
            FIRST: [f"{number} {_number_of(name, number)}" for name in unit.first],
            SECOND: [f"{number} {name}" for name in unit.second],
        }
        if unit.plain == "units":
            forms = {FIRST: [f"{number} {name}" for name in _usp(text)], SECOND: _thousands(number)}
        for half, value, name in converted(Decimal(number), unit.plain, analyte):
            forms[half].append(f"{value} {name}")
        yield Site(found.start(), found.end(), tuple(forms[FIRST]), tuple(forms[SECOND]))


def converted(value: Decimal, unit: str, analyte: str) -> Iterator[tuple[str, Decimal, str]]:
    """Yield the half, the value and the unit of each conversion that is right for the analyte ("" if none is named)."""
    for half, factor, offset, other in _conversions(unit, analyte):
        if value >= _LEAST.get(unit, 0):
            yield half, _kept(value, factor, offset), other


def _conversions(unit: str, analyte: str) -> Iterator[tuple[str, Decimal, Decimal, str]]:
    """Yield half, factor, offset, unit: other = factor * value + offset."""
    if analyte in SUBSTANCE:
        mass, substance, half = SUBSTANCE[analyte]
        factor = Decimal(10000 if substance == "umol/L" else 10) / Decimal(str(mass))  # of mg/dL
        if analyte == "lactate":
            substance, factor = "mmol/L", Decimal(10) / Decimal(str(mass))
        if unit == "mg/dL":
            yield half, factor, Decimal(0), substance
        elif unit == substance:
            yield half, 1 / factor, Decimal(0), "mg/dL"
    elif analyte in MONOVALENT and unit in ("mEq/L", "mmol/L"):
        yield MONOVALENT[analyte], Decimal(1), Decimal(0), {"mEq/L": "mmol/L", "mmol/L": "mEq/L"}[unit]
    elif analyte in PROTEINS and unit in ("g/dL", "g/L"):
        yield PROTEINS[analyte], *_TENFOLD[unit]
    for half, of, factor, offset, other in _FIXED:
        if of == unit:
            yield half, factor, offset, other


_TENFOLD = {
    "g/dL": (Decimal(10), Decimal(0), "g/L"),
    "g/L": (Decimal("0.1"), Decimal(0), "g/dL"),
}
_POUND = Decimal("0.45359237")
_FIXED = (
    (FIRST, "deg F", Decimal(5) / 9, Decimal(-160) / 9, "deg C"),
    (SECOND, "deg C", Decimal("1.8"), Decimal(32), "deg F"),
    (SECOND, "kg", 1 / _POUND, Decimal(0), "lb"),
    (FIRST, "lb", _POUND, Decimal(0), "kg"),
    (SECOND, "cm", 1 / Decimal("2.54"), Decimal(0), "inches"),
    (FIRST, "inches", Decimal("2.54"), Decimal(0), "cm"),
    (FIRST, "g", Decimal(1000), Decimal(0), "mg"),
    (SECOND, "mg", Decimal("0.001"), Decimal(0), "g"),
    (FIRST, "mcg", Decimal("0.001"), Decimal(0), "mg"),
)
_LEAST = {"mg": 500, "mcg": 100}  # less would need too many zeros


def _kept(value: Decimal, factor: Decimal, offset: Decimal) -> Decimal:
    """Return factor * value + offset, within 1 %, with the fewest decimals from which `value` comes back at its own."""
    step = Decimal(1).scaleb(value.as_tuple().exponent)
    exact = factor * value + offset
    for decimals in range(12):
        rounded = exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
        comes_back = ((rounded - offset) / factor).quantize(step, ROUND_HALF_UP) == value
        if comes_back and abs(rounded - exact) <= abs(exact) / 100:
            break
    return rounded


def _analyte(text: str) -> str:
    """Return the one analyte that a text names, or "" where it names none or several."""
    lower = text.lower()
    names = {found[1] for found in _NAMES.finditer(lower) if not _SALT.match(lower[found.end() :])}
    return names.pop() if len(names) == 1 else ""


def _number_of(name: str, number: str) -> str:
    """Return a unit's name in the singular for exactly 1."""
    return _PLURAL.sub("", name, count=1) if number == "1" else name


def _usp(text: str) -> tuple[str, ...]:
    """Return what units may be called: doses of these two drugs are in USP units; one unit of red cells is a bag."""
    return ("USP units",) if re.search(r"\b(?:insulin|heparin)\b", text, re.IGNORECASE) else ()


def _thousands(number: str) -> list[str]:
    return [f"{int(number):,} units"] if number.isdigit() and int(number) >= 1000 else []
