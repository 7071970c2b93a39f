"""The table as codes, and the sets of columns that somebody may know of a person from elsewhere (quasi-identifiers).

Years of age are codes whole: a table made of dates may have 63.412, but what others know is that somebody is 63.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.dataset import Dataset
from medpriv.errors import InputError

# What is known of a person outside a hospital; where medpriv's own source named the columns, features and groups are
# recognised by these words. Of an own table its owner says what is known (`Dataset.notes["roles"]`).
DEMOGRAPHIC = frozenset(
    [
        "age",
        "sex",
        "gender",
        "male",
        "female",
        "ethnicity",
        "race",
        "religion",
        "language",
        "marital",
        "insurance",
        "occupation",
        "zip",
        "postcode",
    ]
)
DATES = frozenset(("date", "month", "year", "dob", "dod"))
_KEPT = ", or keep one that nobody learns from for this audit: preprocess.quasi_identifiers"


@dataclass(frozen=True)
class Columns:
    """Each column of the table as codes: equal values (in `years`, equal whole years), equal codes.

    Attributes:
        exact: column -> int64 [N]: the variables (one-hot features of one are one column), what is kept aside
            (`Table.aside`), `group:<name>`, and `site` where there are several.
        coarse: the same, numbers cut to deciles.
        variables: those that are features.
        patient: int64 [N].
        outcome: int64 [N], the class.
    """

    exact: dict[str, np.ndarray]
    coarse: dict[str, np.ndarray]
    variables: tuple[str, ...]
    patient: np.ndarray
    outcome: np.ndarray

    def codes(self, names: Iterable[str], coarse: bool = False) -> np.ndarray:
        """Return int64 [N, columns]."""
        held = self.coarse if coarse else self.exact
        return np.column_stack([held[name] for name in names])


def read_columns(dataset: Dataset) -> Columns:
    """Return the columns of a table; InputError if the dataset is none."""
    dataset.require("table", reason="linkage")
    table = dataset.records
    exact = {name: table.codes(name) for name in table.variables}
    deciles = {name: table.codes(name, coarse=True) for name in table.numbers}
    beside = {name: table.aside[:, place].astype(np.int64) for place, name in enumerate(table.aside_names)}
    beside |= {f"group:{key}": _codes(np.array(values)[dataset.patient]) for key, values in dataset.groups.items()}
    if len(dataset.sites) > 1:
        beside["site"] = dataset.site.astype(np.int64)
    return Columns(
        exact | beside,
        exact | deciles | beside,
        tuple(exact),
        dataset.patient.astype(np.int64),
        dataset.y.astype(np.int64),
    )


def known_sets(dataset: Dataset, columns: Columns, asked: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the sets of quasi-identifiers by name: those asked for, then those of the dataset itself.

    Where the dataset's notes hold `roles`, its owner says what others know: `quasi` are the columns so declared, with
    the site, if there are several; `dates` those declared as dates. Elsewhere medpriv's source has named the columns:
    `demographics` are features and groups with a word of `DEMOGRAPHIC` in their names (a feature goes before the group
    of its name), `demographics+site` with the site; `dates` features with a word of `DATES`, `dates+diagnosis` with
    the diagnosis; `quasi` what the source says (`Column.quasi_identifier`), with the site. `all` is every feature. Left
    out are a set equal to an earlier one, and one without a column that speaks of the person.

    Raises:
        InputError: a set names a column that the table lacks.
    """
    for name, members in asked.items():
        for member in members:
            if member not in columns.exact:
                near = difflib.get_close_matches(member, columns.exact, n=1)
                raise InputError(
                    f"no column {member}",
                    file=f"dataset {dataset.name}",
                    place=f"attacks.linkage.sets.{dataset.name}.{name}",
                    remedy=f"did you mean {near[0]}?"
                    if near
                    else f"name one of {', '.join(columns.exact)}{_KEPT if 'roles' in dataset.notes else ''}",
                )
    site = ("site",) if "site" in columns.exact else ()
    roles = dataset.notes.get("roles")
    derived = _named_sets(dataset, columns, site) if roles is None else _declared_sets(roles, site)
    found: dict[str, tuple[str, ...]] = {name: tuple(members) for name, members in asked.items()}
    for name, members in (derived | {"all": columns.variables}).items():
        if members and set(members) not in map(set, found.values()):
            found.setdefault(name, members)
    return found


def _declared_sets(roles: Mapping[str, Sequence[str] | None], site: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    known, dates = (tuple(roles[role] or ()) for role in ("quasi_identifiers", "dates"))
    return {"quasi": tuple(dict.fromkeys(known + site)) if known else (), "dates": dates}


def _named_sets(dataset: Dataset, columns: Columns, site: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    features = tuple(name for name in columns.variables if words(name) & DEMOGRAPHIC)
    covered = {name.casefold() for name in features}
    groups = tuple(
        f"group:{key}" for key in dataset.groups if words(key) & DEMOGRAPHIC and key.casefold() not in covered
    )
    noted = dataset.records.quasi_identifiers
    dates = tuple(name for name in columns.variables if words(name) & DATES)
    diagnosis = tuple(name for name in columns.variables if "diagnosis" in words(name))
    return {
        "demographics": features + groups,
        "demographics+site": features + groups + site if site and features + groups else (),
        "dates": dates,
        "dates+diagnosis": dates + diagnosis if dates and diagnosis else (),
        "quasi": noted + site if noted else (),
    }


def words(name: str) -> set[str]:
    """Return the lower-case words of a name in snake, kebab or camel case."""
    return set(re.findall(r"[a-z]+|[0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold()))


def _codes(values: np.ndarray) -> np.ndarray:
    """Return int64 [N]: equal entries (or rows) of values [N] or [N, parts], equal codes."""
    return np.unique(values, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
