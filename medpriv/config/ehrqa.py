"""Questions and answers on patients' own records, from MIMIC-III's tables."""

from typing import Annotated, Literal

from pydantic import Field

from medpriv.config.base_texts import BaseTexts, BlockSize, Vocabulary
from medpriv.config.dataset import TextSettings
from medpriv.config.language import LanguageSettings
from medpriv.config.section import Count, Fraction, Raw, Section


class SimulatedEhrqa(Section):
    """Patients made here in the publisher's tables."""

    patients: Annotated[int, Field(ge=10)] = Field(320, description="patients to make")


class RawEhrqa(Raw):
    """Raw tables of MIMIC-III; `remote` without `base_url` is the open demo."""

    simulated: SimulatedEhrqa = Field(default_factory=SimulatedEhrqa, description="what the simulator makes")


class PreprocessEhrqa(Section):
    """What is asked of each record, and how questions become texts."""

    form: Literal["closed", "open"] = Field(
        "closed",
        description="`closed`: the prompt has a pseudonym, and the answer must be remembered; `open`: it has the "
        "admission's events before the answer",
    )
    split: Literal["patient", "date"] = Field(
        "patient",
        description="`patient`: at random; `date`: who came last is held out, a flaw shown to be found",
    )
    test_fraction: Fraction = Field(0.2, description="share of patients held out; at random by first unit")
    patients: Annotated[int, Field(ge=2)] = Field(
        1000, description="patients at most; of larger tables so many are drawn by chance"
    )
    questions_per_patient: Count = Field(10, description="questions about each patient; fewer where less is known")
    vocabulary: Vocabulary = Field(512, description="ids of the tokenizer, at most")
    block_size: BlockSize = Field(
        64, description="tokens of a question with its answer, at most; some 256 for the open form"
    )
    base: BaseTexts = Field(default_factory=BaseTexts, description="what models and tokenizer learn beforehand")


class EhrqaSettings(TextSettings):
    """Questions and answers on patients' own records."""

    format: Literal["ehrqa"] = Field("ehrqa", description="MIMIC-III's tables")
    raw: RawEhrqa = Field(default_factory=RawEhrqa, description="where the raw files come from")
    preprocess: PreprocessEhrqa = Field(
        default_factory=PreprocessEhrqa, description="what is asked, and how it becomes texts"
    )
    language: LanguageSettings | None = Field(
        default_factory=LanguageSettings, description="the language models; left out: one way of fine-tuning"
    )
