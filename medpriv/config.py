"""The config's models: what may stand in `config.yaml`, with units, defaults and limits.

`check_config` refuses a bad config with all its faults at once. `medpriv.workflow.reference` makes `docs/config.md`
and the JSON schema from these models. Scripts never see these models: each rule passes the plain values it needs.
"""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from medpriv.errors import InputError

Fraction = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*$")]


class Section(BaseModel):
    """A part of the config: unknown keys are refused, values are not changed after the check."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# --- raw -----------------------------------------------------------------------------------------------------------


class SimulatedMitdb(Section):
    """Records made here in WFDB format, with the publisher's record names."""

    records: Annotated[int, Field(ge=4, le=48)] = Field(48, description="records to make (201 and 202 are one patient)")
    minutes: Annotated[float, Field(ge=0.5, le=30)] = Field(10.0, description="length of each record, minutes")


class SimulatedHeart(Section):
    """Patients made here in UCI's `processed.<hospital>.data` format."""

    patients: dict[Literal["cleveland", "hungarian", "switzerland", "va"], Count] = Field(
        {"cleveland": 303, "hungarian": 294, "switzerland": 123, "va": 200}, description="patients to make a hospital"
    )


class Raw(Section):
    """Where the raw files come from."""

    source: Literal["simulated", "local", "remote"] = Field(
        "simulated", description="`simulated` (made here), `local` (a folder), `remote` (the publisher or a mirror)"
    )
    path: str | None = Field(None, description="the folder of a `local` source, relative to the config's folder")
    base_url: str | None = Field(None, description="a mirror's address for a `remote` source; empty: the publisher")

    @model_validator(mode="after")
    def _local_needs_a_path(self) -> "Raw":
        if self.source == "local" and not self.path:
            raise ValueError("a local source needs `path`, the folder that holds the publisher's files")
        return self


class RawMitdb(Raw):
    """Raw WFDB records."""

    simulated: SimulatedMitdb = Field(default_factory=SimulatedMitdb, description="what the simulator makes")


class RawHeart(Raw):
    """Raw UCI heart-disease files."""

    simulated: SimulatedHeart = Field(default_factory=SimulatedHeart, description="what the simulator makes")


class RawTable(Section):
    """Your own table."""

    source: Literal["local"] = Field("local", description="`local`, a file of yours")
    path: str = Field(description="the .csv file, relative to the project's folder")


# --- preprocessing -------------------------------------------------------------------------------------------------


class PreprocessMitdb(Section):
    """Beats cut around annotated R peaks."""

    before_s: Positive = Field(1.0, description="window before the R peak, seconds; shows how early a beat comes")
    after_s: Positive = Field(0.6, description="window after the R peak, seconds")
    sampling_rate: Annotated[float, Field(ge=50, le=1000)] = Field(
        120.0, description="Hz to which all records are resampled; a lower rate makes training quicker"
    )
    leads: Annotated[int, Field(ge=1, le=12)] = Field(2, description="leads used: MLII first, then as stored")
    beats_per_patient: Count | None = Field(
        150, description="most beats kept of a training patient, shared evenly by the classes present; empty: all"
    )
    test_beats_per_patient: Count | None = Field(
        None, description="most beats kept of a test patient, drawn at random, so classes keep their shares; empty: all"
    )
    split: Literal["random", "dechazal"] = Field(
        "random",
        description="`random` by patient, or `dechazal`: train DS1, test DS2 (2004), with 202 moved to its patient 201",
    )
    test_fraction: Fraction = Field(0.3, description="share of patients held out by a `random` split")


class PreprocessHeart(Section):
    """Thirteen features; median imputation and scaling fitted on the training split."""

    test_fraction: Fraction = Field(0.3, description="share of patients held out, stratified by hospital and label")


class PreprocessTable(Section):
    """What each column of your own table is; a column that is not named is a number to learn from."""

    label: str = Field(description="column with the class to be learnt")
    patient: str | None = Field(None, description="column with the patient's id; empty: each row is a patient")
    site: str | None = Field(None, description="column with the hospital or device; empty: all one")
    groups: list[str] = Field([], description="columns by which risk is stated; they are learnt from unless ignored")
    categorical: list[str] = Field([], description="columns with words or codes, one-hot encoded")
    ignore: list[str] = Field([], description="columns not to learn from")
    test_fraction: Fraction = Field(0.3, description="share of patients held out, stratified by site and label")

    @model_validator(mode="after")
    def _one_role_a_column(self) -> "PreprocessTable":
        named = [self.label, self.patient, self.site, *self.categorical, *self.ignore]
        if twice := sorted({column for column in named if column is not None and named.count(column) > 1}):
            raise ValueError(f"give each column one of label, patient, site, categorical, ignore: {', '.join(twice)}")
        return self


# --- banks and baselines -------------------------------------------------------------------------------------------


class BankSettings(Section):
    """The bank that every treatment of the dataset trains."""

    replicates: Annotated[int, Field(ge=2)] = Field(32, description="K, the replicate models of each treatment")
    shards: Count = Field(1, description="jobs that a bank is split into along K; changes no result")


class Recipe(Section):
    """How one network is trained; the number of epochs is fixed beforehand, no early stopping looks at any patient."""

    epochs: Count = Field(20, description="passes over a replicate's own records")
    batch_size: Count = Field(64, description="records an update")
    learning_rate: Positive = Field(0.001, description="peak step size of Adam, decayed to zero by a half cosine")
    weight_decay: NotNegative = Field(0.0, description="decoupled weight decay (AdamW)")
    balance: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0,
        description="a record weighs (its class's share) ** -balance: 0 all records alike, 1 all classes alike; "
        "of use where no `beats_per_patient` has evened out the classes",
    )


class LogisticRecipe(Recipe):
    """Logistic regression."""

    epochs: Count = Field(30, description="passes over a replicate's own records")
    learning_rate: Positive = Field(0.03, description="peak step size of Adam, decayed to zero by a half cosine")


class MlpRecipe(Recipe):
    """Multi-layer perceptron with ReLU."""

    epochs: Count = Field(30, description="passes over a replicate's own records")
    learning_rate: Positive = Field(0.003, description="peak step size of Adam, decayed to zero by a half cosine")
    hidden: Annotated[list[Count], Field(min_length=1)] = Field([64, 32], description="units of each hidden layer")


class CnnRecipe(Recipe):
    """Small 1-D convolutional network."""

    epochs: Count = Field(10, description="passes over a replicate's own records")
    learning_rate: Positive = Field(0.003, description="peak step size of Adam, decayed to zero by a half cosine")
    patch: Count = Field(6, description="samples that a position of the first convolution covers, without overlap")
    channels: Annotated[list[Count], Field(min_length=1)] = Field(
        [24, 48], description="channels of the first convolution and of each further one (3 taps, stride 2)"
    )


class Baselines(Section):
    """The baseline networks to train; leave one out to skip it."""

    logistic: LogisticRecipe | None = Field(None, description="logistic regression")
    mlp: MlpRecipe | None = Field(None, description="multi-layer perceptron")
    cnn: CnnRecipe | None = Field(None, description="1-D CNN with batch normalisation")
    cnn_gn: CnnRecipe | None = Field(None, description="its twin with group normalisation, fit for DP-SGD")


class DatasetSettings(Section):
    """What every dataset's section holds."""

    bank: BankSettings = Field(default_factory=BankSettings, description="the replicate models")
    baselines: Baselines = Field(default_factory=Baselines, description="the baseline networks")


class MitdbSettings(DatasetSettings):
    """Beats of MIT-BIH, or of your own WFDB records with beat annotations."""

    format: Literal["mitdb"] = Field("mitdb", description="WFDB records with beat annotations")
    raw: RawMitdb = Field(default_factory=RawMitdb, description="where the raw files come from")
    preprocess: PreprocessMitdb = Field(default_factory=PreprocessMitdb, description="how beats are cut and split")


class HeartSettings(DatasetSettings):
    """UCI heart disease."""

    format: Literal["heart"] = Field("heart", description="UCI's `processed.<hospital>.data` files")
    raw: RawHeart = Field(default_factory=RawHeart, description="where the raw files come from")
    preprocess: PreprocessHeart = Field(default_factory=PreprocessHeart, description="how rows are split")


class TableSettings(DatasetSettings):
    """Your own CSV table."""

    format: Literal["table"] = Field("table", description="one CSV file with a header line")
    raw: RawTable = Field(description="where the file is")
    preprocess: PreprocessTable = Field(description="what its columns are")


AnyDataset = Annotated[MitdbSettings | HeartSettings | TableSettings, Field(discriminator="format")]


# --- attacks and measures ------------------------------------------------------------------------------------------


class MembershipSettings(Section):
    """Membership inference on every bank."""

    false_positive_rates: list[Fraction] = Field([0.01, 0.001], description="rates at which TPR is stated")
    bootstraps: Count = Field(500, description="patient bootstrap draws behind each interval")


class EvasionSettings(Section):
    """FGSM on signal datasets."""

    epsilons_mv: list[Positive] = Field([0.005, 0.01, 0.02, 0.05, 0.1], description="L-infinity budgets, millivolts")
    records_per_class: Count = Field(100, description="most test records attacked a class")
    bootstraps: Count = Field(500, description="patient bootstrap draws behind each interval")


class AttackSettings(Section):
    """The attack families."""

    membership: MembershipSettings = Field(
        default_factory=MembershipSettings, description="who was in the training set"
    )
    evasion: EvasionSettings = Field(
        default_factory=EvasionSettings, description="how small a change flips a diagnosis"
    )


class MeasureSettings(Section):
    """Utility measures."""

    bootstraps: Count = Field(500, description="patient bootstrap draws behind each interval")
    calibration_bins: Count = Field(10, description="bins of the reliability curve")


class Config(Section):
    """The whole run."""

    seed: Annotated[int, Field(ge=0)] = Field(
        1, description="root of all randomness; every job derives its own from names"
    )
    datasets: dict[Name, AnyDataset] = Field(description="one section a dataset, under a name of your choice")
    attacks: AttackSettings = Field(default_factory=AttackSettings, description="settings of the attack families")
    measures: MeasureSettings = Field(default_factory=MeasureSettings, description="settings of the utility measures")


def check_config(content: dict[str, Any], file: Path | str = "config.yaml") -> dict[str, Any]:
    """Return the config with all defaults filled in, as plain values; raise one InputError that lists every fault."""
    try:
        return Config.model_validate(content).model_dump(mode="json", by_alias=True)
    except ValidationError as error:
        faults = [_explain(fault) for fault in error.errors()]
        raise InputError(
            f"{len(faults)} fault{'s' if len(faults) > 1 else ''}",
            file=file,
            remedy="correct each (docs/config.md lists every key):\n" + "\n".join(f"  - {fault}" for fault in faults),
        ) from None


_REMEDIES = {
    "greater_than": "use a number above {gt}",
    "greater_than_equal": "use {ge} or more",
    "less_than": "use a number below {lt}",
    "less_than_equal": "use {le} or less",
    "literal_error": "use one of {expected}",
    "union_tag_invalid": "use one of the formats {expected_tags}",
    "union_tag_not_found": "say which `format` the dataset has",
    "string_pattern_mismatch": "use lower-case letters and digits, a letter first",
    "value_error": "add it",
}


def _explain(fault: Any) -> str:
    """Return one line for one pydantic fault: key, what is wrong, value, nearest name."""
    place = list(fault["loc"])
    if place[0] == "datasets" and len(place) > 2:
        del place[2]  # the discriminator's tag, which is no key of the file
    key = ".".join(str(part) for part in place)
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(place[-1]), _keys_beside(fault["loc"]), n=1)
        return f"{key}: unknown key; " + (f"did you mean `{near[0]}`?" if near else "remove it")
    if fault["type"] == "missing":
        return f"{key}: missing; add it"
    message = fault["msg"].removeprefix("Value error, ")
    remedy = _REMEDIES.get(fault["type"], "give a value of that kind").format(**fault.get("ctx", {}))
    return f"{key}: {message[0].lower()}{message[1:]}, found {fault['input']!r}; {remedy}"


def _keys_beside(place: tuple[str | int, ...]) -> list[str]:
    """Return the names allowed where the last part of `place` stands."""
    section: Any = Config
    steps = list(place[:-1])
    if steps[:1] == ["datasets"] and len(steps) > 2:
        section = next(kind for kind in _dataset_kinds() if kind.model_fields["format"].default == steps[2])
        steps = steps[3:]
    for step in steps:
        section = _section_of(section.model_fields[step].annotation)
    return list(section.model_fields)


def _dataset_kinds() -> tuple[type[DatasetSettings], ...]:
    return get_args(get_args(AnyDataset)[0])


def _section_of(annotation: Any) -> Any:
    """Return the Section class within an annotation such as `Raw | None`."""
    candidates = (annotation, *get_args(annotation))
    return next((item for item in candidates if isinstance(item, type) and issubclass(item, Section)), None)
