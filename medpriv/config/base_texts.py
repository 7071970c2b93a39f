"""What a language model and its tokenizer learn before they see any patient of a dataset."""

from typing import Annotated

from pydantic import Field

from medpriv.config.section import Count, Section

Vocabulary = Annotated[int, Field(ge=259, le=20000)]  # 256 bytes and three marks at least
BlockSize = Annotated[int, Field(ge=16, le=4096)]


class BaseTexts(Section):
    """Texts of nobody in the dataset: the tokenizer is trained on them alone, and so is the base model."""

    patients: Annotated[int, Field(ge=2)] = Field(300, description="simulated patients, other than any dataset's")
    questions_per_patient: Count = Field(10, description="questions about each")
    medquad: str | None = Field(
        None, description="a folder with a copy of MedQuAD, relative to the project's folder; empty: without"
    )
    medquad_pairs: Count = Field(1000, description="how many of MedQuAD's pairs, those that fit, drawn by chance")
