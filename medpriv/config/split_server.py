"""What crosses the cut of split learning, and what can be made of it."""

from typing import Annotated

from pydantic import Field

from medpriv.config.section import Count, Fraction, Positive, Section, Unlike


class SplitServerSettings(Section):
    """Attacks at the cut of a split bank."""

    replicates: Annotated[int, Field(ge=2)] = Field(4, description="replicates whose training records are sought")
    records: Count = Field(100, description="training records that are sought, a replicate")
    image_records: Count = Field(25, description="the same of images, of at most two replicates")
    public_records: Annotated[int, Field(ge=20)] = Field(
        1000, description="records of test patients that the attacker has, at most"
    )
    decoder_units: Count = Field(128, description="hidden units of the decoder")
    decoder_steps: Count = Field(600, description="training steps of the decoder")
    inversion_steps: Count = Field(300, description="steps of the search for records when the layers are known")
    inversion_prior: Positive = Field(
        0.01, description="weight of a record's mean square in a search, beside the share of variance left unexplained"
    )
    looks: Count = Field(10, description="times that a server sees a record's noisy activation, where it sees it again")
    unsplit_rounds: Count = Field(400, description="rounds of UnSplit: records, then layers")
    image_unsplit_rounds: Count = Field(40, description="the same of images")
    unsplit_steps: Count = Field(25, description="steps of each half of a round")
    fsha_updates: Count = Field(400, description="updates for which a malicious server keeps the training going")
    image_fsha_updates: Count = Field(500, description="the same of images; as published it takes some thousands")
    fsha_pilot_steps: Count = Field(600, description="training steps of its encoder and decoder beforehand")
    fsha_units: Count = Field(64, description="hidden units of its decoder and critic")
    fsha_penalty: Positive = Field(10.0, description="weight of the critic's gradient penalty")
    known_labels: Count = Field(
        5, description="training records of each class whose labels a server that seeks labels has"
    )
    false_positive_rates: Annotated[list[Fraction], Field(min_length=1), Unlike] = Field(
        [0.01], description="rates at which true positives of membership are stated"
    )
    bootstraps: Count = Field(300, description="bootstrap draws behind each interval")
