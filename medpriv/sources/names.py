"""Names as people write them into cells: which words stand for none, and which spellings may be of one name.

Numbers are in `medpriv.sources.cells`.
"""

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal

# What the usual programs write where there is no value, in any case; "none" is left out, since it may well be a word
# ("complication: none"), and so is "-", which may be a finding.
_GAPS = frozenset(
    ["?", ".", "na", "n/a", "n.a.", "#n/a", "#na", "<na>", "nan", "-nan", "null", "(null)", "\\n", "nat"]
) | {"#null!", "#div/0!", "#value!", "#ref!", "#num!"}
NO_SITE = frozenset(
    ["-", "--", "–", "—", "none", "missing", "not available", "n.d.", "-1", "-9", "-99", "-999", "-9999"]
)  # in any case, where a name must be
NO_PATIENT = NO_SITE | {"unknown", "unk", "anonymous", "not known"}
# What stands in an outcome that nobody knows; "none", "-" and "missing" may well be outcomes.
_UNKNOWN = frozenset(
    ["unknown", "unk", "not known", "not available", "not specified", "unbekannt", "k.a.", "k. a.", "keine angabe"]
) | {"nicht bekannt", "inconnu", "inconnue", "desconocido", "desconocida", "sconosciuto", "sconosciuta", "onbekend"}
# Exponents with a sign alone, as R and spreadsheets write 100000: "1e5" may as well be part of an id.
SPELLED = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]\d+)?", re.ASCII)
_ROUNDED = re.compile(r"\d([.,]\d+)?E\+\d{2,}", re.ASCII)
_TRUTH = {Decimal(1): True, "true": True, "yes": True, "y": True}
_TRUTH |= {Decimal(0): False, "false": False, "no": False, "n": False}


def is_gap(text: str) -> bool:
    """Return whether a cell stands for a missing value: nothing, or a word such as `?`, `NA`, `NaN`, `NULL`, `None`."""
    return not text or text == "None" or text.casefold() in _GAPS


def is_unknown(text: str) -> bool:
    """Return whether a name of a class says that nobody knows it."""
    return text.casefold() in _UNKNOWN


def is_rounded(text: str) -> bool:
    """Return whether a text is a number as spreadsheets show long ones, `1.23E+15`: its last digits are lost."""
    return bool(_ROUNDED.fullmatch(text))


def plain(name: str) -> str:
    """Return a name that can stand in a measure's group, whose syntax is `key=value,key=value`."""
    return name.replace(",", ";").replace("=", ":")


def shown(text: str) -> str:
    """Return a text without its control and format characters, which nobody sees."""
    return "".join(letter for letter in text if unicodedata.category(letter) not in ("Cc", "Cf"))


def spelling(text: str) -> object:
    """Return what all spellings of a name share: the number (Decimal), or the letters whatever their case."""
    if SPELLED.fullmatch(text):
        return Decimal(text.replace(",", "."))
    letters = unicodedata.normalize("NFKC", plain(text)).casefold()
    if not (letters.isascii() and letters.isprintable()):
        letters = shown(letters)
    return " ".join(letters.split())


def spellings(texts: Sequence[str]) -> list[object]:
    """Return `spelling` of each name; where all are words for yes and no, written in several ways, which it is."""
    found = [spelling(text) for text in texts]
    truths = [_TRUTH[one] for one in found] if _TRUTH.keys() >= set(found) else found
    return truths if len(set(truths)) < len(set(found)) else found
