"""The whole config, and its check.

`check_config` refuses a bad config with all its faults at once. `medpriv.workflow.reference` makes `docs/config.md`
and the JSON schema from these models. Scripts never see these models: each rule passes the plain values it needs.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import Field, ValidationError, model_validator

from medpriv.catalogue.attacks import FAMILIES
from medpriv.config.attacks import AttackSettings, MeasureSettings
from medpriv.config.cinc2012 import Cinc2012Settings
from medpriv.config.cinc2017 import Cinc2017Settings
from medpriv.config.dataset import DatasetSettings, PatientSignalSettings
from medpriv.config.ehrqa import EhrqaSettings
from medpriv.config.eicu import EicuSettings
from medpriv.config.heart import HeartSettings
from medpriv.config.images import OwnImagesSettings
from medpriv.config.mimic3 import Mimic3AdmissionsSettings, Mimic3Settings
from medpriv.config.mitdb import MitdbSettings
from medpriv.config.pneumonia import PneumoniaSettings
from medpriv.config.ptbxl import PtbxlSettings
from medpriv.config.section import RENAMED, Name, Section, Unlike
from medpriv.config.table import TableSettings
from medpriv.config.texts import OwnTextsSettings
from medpriv.errors import InputError

AnyDataset = Annotated[
    MitdbSettings
    | Cinc2017Settings
    | PtbxlSettings
    | Mimic3Settings
    | Mimic3AdmissionsSettings
    | Cinc2012Settings
    | EicuSettings
    | HeartSettings
    | TableSettings
    | PneumoniaSettings
    | OwnImagesSettings
    | EhrqaSettings
    | OwnTextsSettings,
    Field(discriminator="format"),
]


class Config(Section):
    """The whole run."""

    seed: Annotated[int, Field(ge=0)] = Field(
        1, description="root of all randomness; every job derives its own from names"
    )
    only: Annotated[list[Name], Field(min_length=1), Unlike] | None = Field(
        None,
        description="the datasets that run, by name, such as your own alone; empty: all that stand under `datasets`",
    )
    datasets: dict[Name, AnyDataset] = Field(description="one section a dataset, under a name of your choice")
    attacks: AttackSettings = Field(default_factory=AttackSettings, description="settings of the attack families")
    measures: MeasureSettings = Field(default_factory=MeasureSettings, description="settings of the utility measures")

    @model_validator(mode="after")
    def _epochs_alike(self) -> "Config":
        """One rule fine-tunes all language models, and must know which banks a run of it makes."""
        tuned = {name: one.language.epochs for name, one in self.datasets.items() if getattr(one, "language", None)}
        if len({tuple(epochs) for epochs in tuned.values()}) > 1:
            told = "; ".join(f"{name}: {epochs}" for name, epochs in tuned.items())
            raise ValueError(f"language.epochs differ between datasets ({told}): give them the same")
        return self


def check_config(
    content: Mapping[str, Any], file: Path | str = "config.yaml", faults: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the config with all defaults filled in, as plain values; raise one InputError that lists every fault.

    A dataset that is null, or that `only` doesn't name, is dropped: an overlay can only add to a mapping, so these are
    the ways to take one away. What attacks are told of it is left without a use. `faults` that were found before are
    told with the others.
    """
    datasets = content.get("datasets")
    faults = list(faults)
    if isinstance(datasets, Mapping):
        kept = {name: one for name, one in datasets.items() if one is not None}
        if isinstance(only := content.get("only"), list):
            faults += [f"only.{name}: {_no_dataset(name, list(kept))}" for name in only if name not in list(kept)]
            meant = [name if name in list(kept) else _near(name, list(kept)) for name in only]
            if meant and all(meant):  # else nobody knows which were meant, and all are checked
                kept = {name: one for name, one in kept.items() if name in meant}
        content = {**content, "datasets": kept}
        faults += _unknown_datasets(content, list(datasets))
    try:
        checked = Config.model_validate(content).model_dump(mode="json")
        faults += _truths_for_numbers(content, checked)
    except ValidationError as error:
        known = [name for name, one in _mapping(datasets).items() if "format" in _mapping(one)]
        faults = [line for fault in error.errors() for line in _explain(fault, known)] + faults
    if faults:
        raise InputError(
            f"{len(faults)} fault{'s' if len(faults) > 1 else ''}",
            file=file,
            remedy="correct each (docs/config.md lists every key):\n" + "\n".join(f"  - {fault}" for fault in faults),
        )
    return checked


def _truths_for_numbers(given: object, taken: object, key: str = "") -> Iterator[str]:
    """Yield one line for each `yes` or `no` that pydantic took for 1 or 0."""
    if isinstance(given, bool) and not isinstance(taken, bool):
        yield f"{key}: found {given}, as YAML reads yes, no, on and off; write a number"
    elif isinstance(given, Mapping) and isinstance(taken, Mapping):
        for name in [name for name in given if name in taken]:
            yield from _truths_for_numbers(given[name], taken[name], f"{key}.{name}".removeprefix("."))
    elif isinstance(given, list) and isinstance(taken, list):
        for place, (one, other) in enumerate(zip(given, taken, strict=False)):
            yield from _truths_for_numbers(one, other, f"{key}.{place}")


def _unknown_datasets(content: Mapping[str, Any], datasets: list[str]) -> list[str]:
    """Return one line for each name that isn't a dataset's, where settings of attacks go by those."""
    faults = []
    for key in (f"{family.keys[0]}.{name}" for family in FAMILIES.values() for name in family.by_dataset):
        named: Any = content
        for part in key.split("."):
            named = named.get(part) if isinstance(named, Mapping) else None
        for name in named if isinstance(named, Mapping) else ():
            if name not in datasets:
                faults.append(f"{key}.{name}: {_no_dataset(name, datasets)}")
    return faults


def _no_dataset(name: object, datasets: list[str]) -> str:
    near = _near(name, datasets)
    remedy = f"did you mean `{near}`?" if near else "name one that stands under `datasets`"
    return f"no such dataset; {remedy}"


def _near(name: object, known: Sequence[object]) -> str:
    """Return the known name that is nearest to one; empty if none is near."""
    near = difflib.get_close_matches(str(name), [str(one) for one in known], n=1)
    return near[0] if near else ""


_REMEDIES = {
    "greater_than": "use a number above {gt}",
    "greater_than_equal": "use {ge} or more",
    "less_than": "use a number below {lt}",
    "less_than_equal": "use {le} or less",
    "string_type": "put it in quotes, for YAML reads it as something else than text",
    "list_type": "write a list, such as [a, b]",
    "too_short": "name at least {min_length}",
    "dict_type": "write keys below it, as config/tiny.yaml does",
    "model_attributes_type": "write keys below it, as config/tiny.yaml does",
    "string_pattern_mismatch": "use lower-case letters and digits, a letter first",
}


def _mapping(value: object) -> Mapping[str, Any]:
    """Return a mapping as it is, and an empty one for anything else that a user may have written there."""
    return value if isinstance(value, Mapping) else {}


def _explain(fault: Any, datasets: Sequence[str]) -> list[str]:
    """Return lines for one pydantic fault: key, what is wrong, value, nearest name (of `datasets`, for a dataset)."""
    place = list(fault["loc"])
    if fault["type"] in ("union_tag_not_found", "union_tag_invalid"):
        return [_without_format(fault, datasets)]
    if place[:1] == ["datasets"] and len(place) > 2:
        del place[2]  # the discriminator's tag, which is no key of the file
    key = ".".join(str(part) for part in place) or "the config"
    if fault["type"] == "extra_forbidden":
        if len(place) == 3 and place[0] == "datasets" and place[2] in PatientSignalSettings.model_fields:
            many = "signals whose patients have many records in time"
            kind = many if place[2] == "personalization" else "signals and images"
            return [f"{key}: only for {kind}; take it out"]
        beside = _keys_at(fault["loc"][:-1])
        if (renamed := RENAMED.get(str(place[-1]))) in beside:
            return [f"{key}: it is called `{renamed}` now; rename it"]
        if elsewhere := _places_of(place[-1], fault["loc"]):
            return [f"{key}: unknown key here; it belongs to {' or '.join(f'`{one}`' for one in elsewhere)}: move it"]
        return [f"{key}: unknown key; {_nearest(place[-1], beside)}"]
    if fault["type"] == "missing":
        return [f"{key}: missing; add it"]
    if fault["type"] == "literal_error":
        found = re.findall(r"'([^']*)'|([\d.+-]+)", fault["ctx"]["expected"])  # names in quotes, numbers without
        names = [name or number for name, number in found]
        return [f"{key}: found {_short(fault['input'])}; {_nearest(fault['input'], names)}"]
    if fault["type"] == "model_type":
        names = fault["input"] if isinstance(fault["input"], list) and fault["input"] else [fault["input"]]
        nearest = _nearest(names[0], _keys_at(fault["loc"]))
        return [f"{key}: found {_short(fault['input'])} instead of `name: value`; {nearest}"]
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "value_error":  # ours, of a whole section: each line of the message holds its remedy
        return [f"{key}: {line}" for line in message.splitlines()]
    if fault["type"] == "string_type" and isinstance(fault["input"], list):
        return [f"{key}: found a list, {_short(fault['input'])}, where one name stands; write it without brackets"]
    remedy = _REMEDIES.get(fault["type"], "give a value of that kind").format(**fault.get("ctx", {}))
    return [f"{key}: {message[0].lower()}{message[1:]}, found {_short(fault['input'])}; {remedy}"]


def _without_format(fault: Any, datasets: Sequence[str]) -> str:
    """Return the line for a dataset whose format is missing or unknown: often the name of a known one is misspelt."""
    key = ".".join(map(str, fault["loc"]))
    formats = [kind.model_fields["format"].default for kind in dataset_kinds()]
    known = "use one of " + ", ".join(f"'{name}'" for name in sorted(formats))
    if fault["type"] == "union_tag_invalid":
        tag = fault["ctx"]["tag"]
        near = _near(tag, formats)
        return f"{key}.format: no format {tag!r}; " + (f"did you mean `{near}`?" if near else known)
    near = _near(fault["loc"][-1], datasets)
    return f"{key}: no `format`; " + (f"did you mean `{near}`? A new dataset says its format: " if near else "") + known


def _short(value: object) -> str:
    """Return a value as the user wrote it, cut where it would fill the screen."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _nearest(name: object, known: Sequence[str]) -> str:
    """Return what to write in place of a name: the nearest one that is known, if any is near, and all of them."""
    near = _near(name, known)
    known_here = f"known here: {', '.join(known)}"
    return f"did you mean `{near}`? K{known_here[1:]}" if near else known_here


def _keys_at(place: tuple[str | int, ...]) -> list[str]:
    """Return the names allowed under a place in the config."""
    section: Any = Config
    steps = list(place)
    if steps[:1] == ["datasets"] and len(steps) > 2:
        section = next(kind for kind in dataset_kinds() if kind.model_fields["format"].default == steps[2])
        steps = steps[3:]
    for step in steps:
        section = _section_of(section.model_fields[step].annotation)
    return list(section.model_fields)


def _places_of(name: object, loc: tuple[str | int, ...]) -> list[str]:
    """Return where a key of that name stands in the config, as users write it: of the same dataset, or elsewhere."""
    if loc[:1] == ("datasets",) and len(loc) > 2:
        kind = next(kind for kind in dataset_kinds() if kind.model_fields["format"].default == loc[2])
        if found := list(_keys_called(str(name), kind, f"datasets.{loc[1]}")):
            return found[:3]
    return list(_keys_called(str(name), Config, ""))[:3]


def _keys_called(name: str, section: type[Section], before: str) -> Iterator[str]:
    """Yield the keys of that name in a section and those below it."""
    for key, about in section.model_fields.items():
        place = f"{before}.{key}".removeprefix(".")
        if key == name:
            yield place
        elif below := _section_of(about.annotation):
            yield from _keys_called(name, below, place)


def dataset_kinds() -> tuple[type[DatasetSettings], ...]:
    """Return the models of a dataset's section, one a format."""
    return get_args(get_args(AnyDataset)[0])


def modality_of(form: str) -> str:
    """Return what the records of a format are: `table`, `signal`, ..."""
    return next(kind.modality for kind in dataset_kinds() if kind.model_fields["format"].default == form)


def _section_of(annotation: Any) -> Any:
    """Return the Section class within an annotation such as `Raw | None`."""
    candidates = (annotation, *get_args(annotation))
    return next((item for item in candidates if isinstance(item, type) and issubclass(item, Section)), None)
