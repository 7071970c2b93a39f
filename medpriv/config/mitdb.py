"""Beats of MIT-BIH, or of your own WFDB records."""

from typing import Annotated, Literal

from pydantic import Field

from medpriv.config.dataset import PatientSignalSettings
from medpriv.config.section import Count, Fraction, NotNegative, Positive, Raw, Section


class SimulatedMitdb(Section):
    """Records made here in WFDB format, with the publisher's record names."""

    records: Annotated[int, Field(ge=4, le=48)] = Field(48, description="records to make (201 and 202 are one patient)")
    minutes: Annotated[float, Field(ge=0.5, le=30)] = Field(10.0, description="length of each record, minutes")


class RawMitdb(Raw):
    """Raw WFDB records."""

    simulated: SimulatedMitdb = Field(default_factory=SimulatedMitdb, description="what the simulator makes")


class PreprocessMitdb(Section):
    """Beats cut around annotated R peaks."""

    before_s: Positive = Field(1.0, description="window before the R peak, seconds; shows how early a beat comes")
    after_s: Positive = Field(0.6, description="window after the R peak, seconds")
    sampling_rate: Annotated[float, Field(ge=50, le=1000)] = Field(
        120.0, description="Hz to which all records are resampled; a lower rate makes training quicker"
    )
    heart_rate: Annotated[float, Field(ge=20, le=250)] | None = Field(
        None,
        description="beats a minute to which each record's time axis is scaled by its median RR interval; seconds and "
        "Hz of this section and of attacks then hold at this heart rate; empty: time as recorded",
    )
    neighbour_margin_s: NotNegative | None = Field(
        None,
        description="signal kept beyond the previous and the next R peak, seconds; the window's rest is 0 mV; "
        "empty: the whole window",
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


class MitdbSettings(PatientSignalSettings):
    """Beats of MIT-BIH, or of your own WFDB records with beat annotations."""

    format: Literal["mitdb"] = Field("mitdb", description="WFDB records with beat annotations")
    raw: RawMitdb = Field(default_factory=RawMitdb, description="where the raw files come from")
    preprocess: PreprocessMitdb = Field(default_factory=PreprocessMitdb, description="how beats are cut and split")
