"""Names as people write them into cells: which words stand for none, and which spellings may be of one name.

Numbers are in `medpriv.sources.cells`.
"""

import re
import unicodedata
from collections.abc import Collection, Sequence
from decimal import Decimal

# What the usual programs write where there is no value, in any case; "none" is left out, since it may well be a word
# ("complication: none"), and so is "-", which may be a finding.
_GAPS = frozenset(
    ["?", ".", "na", "n/a", "n.a.", "#n/a", "#na", "<na>", "nan", "-nan", "null", "(null)", "\\n", "nat"]
) | {"#null!", "#div/0!", "#value!", "#ref!", "#num!"}
# What people write where a name must be and none is known, in any case.
_NOTHING = (
    "-;--;–;—;none;missing;not available;n.d.;-1;-9;-99;-999;-9999;not recorded;not given;not stated;nil;empty;tbd;"
    "k.a.;k. a.;k.a;keine angabe;keine angaben;ohne angabe;o.a.;fehlt;fehlend;keine;manquant;non renseigné;"
    "non disponible;no disponible;non disponibile;mancante;ontbreekt;ninguno;aucun"
)
_NOBODY_KNOWN = (
    "unknown;unk;unkn;anonymous;not known;blank;dummy;placeholder;xxx;unbekannt;unbek.;nicht bekannt;anonym;n.n.;leer;"
    "inconnu;inconnue;anonyme;desconocido;desconocida;anónimo;desconhecido;sconosciuto;sconosciuta;anonimo;onbekend;"
    "anoniem;ukendt;okänd;ukjent;nieznany"
)
NO_SITE = frozenset(_NOTHING.split(";"))
NO_PATIENT = NO_SITE | frozenset(_NOBODY_KNOWN.split(";"))
# What stands in an outcome that nobody knows; "none", "-" and "missing" may well be outcomes.
_UNKNOWN = frozenset(
    ["unknown", "unk", "not known", "not available", "not specified", "unbekannt", "k.a.", "k. a.", "keine angabe"]
) | {"nicht bekannt", "inconnu", "inconnue", "desconocido", "desconocida", "sconosciuto", "sconosciuta", "onbekend"}
# Exponents with a sign alone, as R and spreadsheets write 100000: "1e5" may as well be part of an id.
SPELLED = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]\d+)?", re.ASCII)
_ROUNDED = re.compile(r"\d([.,]\d+)?E\+\d{2,}", re.ASCII)
_NOBODY = re.compile(r"[^\W\d]{0,4}[-_ ]?(0+(\.0+)?|9{3,}(\.0+)?|8{3,}(\.0+)?)|-[1-9](\.0+)?|-9+(\.0+)?", re.ASCII)
_FLOAT = re.compile(r"[+-]?(\d+\.\d*|\d(\.\d+)?e\+?\d+)", re.ASCII)
_EXACT = 2**53  # beyond which doubles skip whole numbers (IEEE 754)
_TRUTH = {Decimal(1): True, "true": True, "yes": True, "y": True}
_TRUTH |= {Decimal(0): False, "false": False, "no": False, "n": False}


def is_gap(text: str) -> bool:
    """Return whether a cell stands for a missing value: nothing, or a word such as `?`, `NA`, `NaN`, `NULL`, `None`."""
    return not text or text == "None" or text.casefold() in _GAPS


def no_name(text: str, words: Collection[str]) -> bool:
    """Return whether a cell holds no name where one must be: a gap, or one of `words`, in any case."""
    return is_gap(text) or " ".join(text.casefold().split()) in words


def no_person(text: str) -> bool:
    """Return whether an id is what programs fill in for nobody: `0`, `000`, `999`, `P00000`, `-1`, `-9`."""
    return bool(_NOBODY.fullmatch(text))


def is_unknown(text: str) -> bool:
    """Return whether a name of a class says that nobody knows it."""
    return text.casefold() in _UNKNOWN


def is_rounded(text: str) -> bool:
    """Return whether a text is a long number of which the last digits are lost.

    So does a spreadsheet show it (`1.23E+15`), and a data frame that holds it as a double (`9e+17`).
    """
    return bool(_ROUNDED.fullmatch(text) or (_FLOAT.fullmatch(text) and abs(float(text)) >= _EXACT))


def plain(name: str) -> str:
    """Return a name that can stand in a measure's group, whose syntax is `key=value,key=value`."""
    return name.replace(",", ";").replace("=", ":")


def shown(text: str) -> str:
    """Return a text without its control and format characters, which nobody sees."""
    return "".join(letter for letter in text if unicodedata.category(letter) not in ("Cc", "Cf"))


def is_garbled(text: str) -> bool:
    """Return whether letters were lost on the way: `KÃ¶ln`, which is UTF-8 read as Windows-1252, or `K\ufffdln`.

    Text that isn't garbled hardly ever encodes to what is UTF-8 again.
    """
    if text.isascii() or "\ufffd" in text:
        return "\ufffd" in text
    try:
        return b"".join(map(_windows_byte, text)).decode("utf-8") != text
    except UnicodeError:
        return False


def _windows_byte(letter: str) -> bytes:
    """Return the byte of a letter in Windows-1252; five bytes that it leaves open are what Latin-1 has there."""
    return letter.encode("latin-1" if letter in "\x81\x8d\x8f\x90\x9d" else "cp1252")


def spelling(text: str) -> object:
    """Return what all spellings of a name share: the number (Decimal), or the letters whatever their case."""
    if SPELLED.fullmatch(text):
        return Decimal(text.replace(",", "."))
    letters = unicodedata.normalize("NFKC", plain(text)).casefold()
    if not (letters.isascii() and letters.isprintable()):
        letters = shown(letters)
    return " ".join(letters.split())


def id_spelling(text: str) -> object:
    """Return what all spellings of an id share: `spelling`, blanks and zeros before digits left out.

    `P1`, `P00001`, `P 00001` and `p-1` are one; `1-11` and `11-1` are two.
    """
    found = spelling(text)
    if not isinstance(found, str):
        return found
    joined = re.sub(r"(?<=[^\W\d])[-_./]+(?=\d)", "", found.replace(" ", ""))
    return spelling(re.sub(r"(?<!\d)0+(?=\d)", "", joined))


def spellings(texts: Sequence[str]) -> list[object]:
    """Return `spelling` of each name; where all are words for yes and no, written in several ways, which it is."""
    found = [spelling(text) for text in texts]
    truths = [_TRUTH[one] for one in found] if _TRUTH.keys() >= set(found) else found
    return truths if len(set(truths)) < len(set(found)) else found
