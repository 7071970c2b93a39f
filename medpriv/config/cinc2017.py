"""PhysioNet/CinC Challenge 2017."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from medpriv.config.dataset import SignalSettings
from medpriv.config.section import Count, Fraction, Raw, Section

Length = Annotated[float, Field(ge=2, le=61)]


class SimulatedCinc2017(Section):
    """Records made here in the publisher's `.mat` and `.hea` format."""

    records: Annotated[int, Field(ge=20, le=8528)] = Field(
        240, description="records to make, in the published shares of the classes, at least four a class"
    )
    shortest_s: Length = Field(9.0, description="shortest record, seconds; most last 30 s")
    longest_s: Length = Field(61.0, description="longest record, seconds")

    @model_validator(mode="after")
    def _shortest_before_longest(self) -> "SimulatedCinc2017":
        if self.shortest_s > self.longest_s:
            raise ValueError("`shortest_s` is above `longest_s`")
        return self


class RawCinc2017(Raw):
    """Raw records of the challenge."""

    simulated: SimulatedCinc2017 = Field(default_factory=SimulatedCinc2017, description="what the simulator makes")


class PreprocessCinc2017(Section):
    """Whole records, cut or padded to one length."""

    seconds: Length = Field(
        30.0, description="length of every record, seconds: longer ones lose their end, shorter ones get zeros around"
    )
    sampling_rate: Annotated[float, Field(ge=50, le=1000)] = Field(
        300.0, description="Hz to which all records are resampled; a lower rate makes training quicker"
    )
    filter: bool = Field(
        False, description="take off the baseline with a 0.5 Hz high-pass; the smooth attack used none"
    )
    records_per_class: Count | None = Field(
        None, description="most records of a class kept among the training patients, drawn at random; empty: all"
    )
    test_fraction: Fraction = Field(0.1, description="share of the records of each class held out")


class Cinc2017Settings(SignalSettings):
    """Single-lead ECG of the PhysioNet/CinC Challenge 2017: normal rhythm, atrial fibrillation, other, noise."""

    format: Literal["cinc2017"] = Field("cinc2017", description="the challenge's `.mat` and `.hea` files")
    raw: RawCinc2017 = Field(default_factory=RawCinc2017, description="where the raw files come from")
    preprocess: PreprocessCinc2017 = Field(
        default_factory=PreprocessCinc2017, description="how records are cut, padded and split"
    )
