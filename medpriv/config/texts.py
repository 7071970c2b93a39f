"""Your own texts."""

from typing import Literal

from pydantic import Field, model_validator

from medpriv.config.base_texts import BaseTexts, BlockSize, Vocabulary
from medpriv.config.dataset import TextSettings
from medpriv.config.language import LanguageSettings
from medpriv.config.section import Fraction, Section


class RawTexts(Section):
    """Your own texts."""

    source: Literal["local"] = Field("local", description="`local`, a file of yours")
    path: str = Field(
        description="the file, relative to the project's folder: .csv, .tsv, either in a .gz, or .parquet"
    )


class PreprocessTexts(Section):
    """What the columns of the file are: one row a text, or a question with its answer."""

    patient: str = Field("patient", description="column with the patient's id")
    text: str | None = Field(
        None, description="column with texts, all of whose tokens are learnt; empty: there are questions and answers"
    )
    question: str | None = Field(None, description="column with questions, given to the model; with `answer`")
    answer: str | None = Field(None, description="column with answers, which are learnt; with `question`")
    kind: str | None = Field(None, description="column with the kind of question, by which use and risk are stated")
    site: str | None = Field(None, description="column with the hospital; empty: all one")
    sex: str | None = Field(None, description="column with the patient's sex, by which risk is stated; empty: none")
    age: str | None = Field(
        None, description="column with the age in years, by bands of which risk is stated; empty: none"
    )
    split: str | None = Field(
        None,
        description="column with `train`, `val` or `test`, a patient on one side alone; empty: at random by patient",
    )
    test_fraction: Fraction = Field(0.2, description="share of patients held out by a random split, by site")
    vocabulary: Vocabulary = Field(512, description="ids of the tokenizer, at most")
    block_size: BlockSize = Field(128, description="tokens of a text, at most; a longer one is refused")
    base: BaseTexts = Field(default_factory=BaseTexts, description="what models and tokenizer learn beforehand")

    @model_validator(mode="after")
    def _texts_or_questions(self) -> "PreprocessTexts":
        named = (self.text is not None, self.question is not None, self.answer is not None)
        if named not in ((True, False, False), (False, True, True)):
            raise ValueError("name either `text`, or `question` and `answer`")
        return self

    @model_validator(mode="after")
    def _one_role_a_column(self) -> "PreprocessTexts":
        roles = ("patient", "text", "question", "answer", "kind", "site", "sex", "age", "split")
        named = [getattr(self, role) for role in roles]
        if twice := sorted({column for column in named if column is not None and named.count(column) > 1}):
            raise ValueError(f"give each column one of {', '.join(roles)}: {', '.join(twice)}")
        return self


class OwnTextsSettings(TextSettings):
    """Your own texts."""

    format: Literal["texts"] = Field("texts", description="a CSV or Parquet file")
    raw: RawTexts = Field(description="where the file is")
    preprocess: PreprocessTexts = Field(description="what its columns are")
    language: LanguageSettings | None = Field(
        default_factory=LanguageSettings, description="the language models; left out: one way of fine-tuning"
    )
