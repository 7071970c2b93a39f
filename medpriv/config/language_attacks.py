"""The attacks on fine-tuned language models."""

from typing import Annotated, Literal

from pydantic import Field

from medpriv.config.section import Count, Fraction, Section, Unlike


class LanguageAttackSettings(Section):
    """Whose texts a language model was fine-tuned on, by what it says of them and of texts made from them."""

    false_positive_rates: Annotated[list[Fraction], Unlike] = Field(
        [0.1, 0.01], description="rates at which TPR is stated"
    )
    bootstraps: Count = Field(200, description="draws of patients and replicates behind each interval")
    patients: Count = Field(2000, description="most training patients attacked, drawn by chance")
    paraphrased_patients: Count = Field(
        40, description="most of these whose texts are paraphrased, for the attacker who knows no more than that"
    )
    paraphrases: Count = Field(2, description="wordings of each of their answers")
    rules: Literal["first", "second", "both"] = Field(
        "both", description="which half of the paraphrase rules the attacker uses"
    )
    targets: Annotated[int, Field(ge=2)] = Field(
        2, description="most replicates attacked with many texts made from each record"
    )
    targeted_patients: Annotated[int, Field(ge=4)] = Field(30, description="most patients attacked so")
    targeted_records: Count = Field(2, description="most records of each of them, drawn by chance")
    neighbours: Count = Field(10, description="neighbours of each of their texts")
    shots: Count = Field(2, description="texts of test patients before each of their texts, where the block has room")
    range_paraphrases: Count = Field(6, description="wordings of each of their answers in the range attack")
    token_rows: Count = Field(5, description="tokens told a patient, those that give most of it away")
