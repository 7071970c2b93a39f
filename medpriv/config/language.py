"""Language models: the transformer, its base training, and how it is fine-tuned on patients' texts."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from medpriv.config.language_canaries import LanguageCanariesSettings
from medpriv.config.language_private import LanguagePrivateSettings
from medpriv.config.language_unlearning import LanguageUnlearningSettings
from medpriv.config.lora import LoraSettings
from medpriv.config.section import Count, Fraction, Name, NotNegative, Positive, Section, Unlike

Strength = Annotated[float, Field(ge=0, le=1)]


class ModelSettings(Section):
    """The transformer; names and form are GPT-2's."""

    n_layer: Count = Field(3, description="blocks")
    n_head: Count = Field(4, description="attention heads of a block")
    n_embd: Count = Field(96, description="width, a multiple of `n_head`")

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "ModelSettings":
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd {self.n_embd} is no multiple of n_head {self.n_head}")
        return self


class Steps(Section):
    """How a model is trained."""

    batch_size: Count = Field(16, description="texts an update")
    learning_rate: Positive = Field(1e-3, description="of AdamW, constant")
    weight_decay: NotNegative = Field(0.0, description="of AdamW, on matrices alone")


class BaseSettings(Steps):
    """Training before fine-tuning, on the base texts of the dataset's `preprocess` section."""

    epochs: Count = Field(4, description="passes over the texts")
    learning_rate: Positive = Field(2e-3, description="of AdamW, constant")


class Paraphrasing(Section):
    """Paraphrase-aware training: each epoch reads each answer in other words."""

    strength: Strength = Field(1.0, description="0: as it stands, 1: every rule that fits may be used")
    half: Literal["first", "second", "both"] = Field(
        "first", description="which half of the rules is used; an attacker may know the other"
    )


class Deduplication(Section):
    """Leaving out what says nearly the same of one patient again."""

    ngram: Count = Field(3, description="tokens of the runs by which answers are compared")
    similarity: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="share of two answers' runs in common from which the later one is left out"
    )


class TuningRecipe(Steps):
    """One way of fine-tuning the base; its name is free."""

    lora: LoraSettings | None = Field(None, description="learn LoRA's matrices alone; empty: all weights")
    paraphrase: Paraphrasing | None = Field(None, description="read each answer in other words each epoch")
    deduplicate: Deduplication | None = Field(None, description="leave out near duplicates")
    checkpoint: Literal["last", "held_out", "non_members"] = Field(
        "last",
        description="which epoch's weights are kept: the last, the one with the least loss on a part of the member "
        "patients that isn't trained on, or that on the other training patients (the flaw of Llemr's split, which "
        "lets those who are audited as outsiders choose the model)",
    )
    held_out: Fraction = Field(0.1, description="share of a replicate's patients that `held_out` sets apart")
    replicates: Annotated[int, Field(ge=2)] | None = Field(
        None, description="replicates of this tuning, if fewer than of the others"
    )


class LanguageSettings(Section):
    """Language models fine-tuned on a dataset of texts."""

    replicates: Annotated[int, Field(ge=2)] = Field(
        6, description="replicates of each fine-tuning, at most the bank's K"
    )
    model: ModelSettings = Field(default_factory=ModelSettings, description="the transformer")
    base: BaseSettings = Field(default_factory=BaseSettings, description="its training before")
    epochs: Annotated[list[Count], Field(min_length=1), Unlike] = Field(
        [1, 3, 10], description="passes over the texts after which a model is kept; all of one run"
    )
    private: LanguagePrivateSettings | None = Field(
        None, description="fine-tuning with differential privacy, a patient being the unit; empty: skip"
    )
    canaries: LanguageCanariesSettings | None = Field(
        None, description="planted records in the fine-tuning `full`, a bank of its own; empty: skip"
    )
    unlearning: LanguageUnlearningSettings | None = Field(
        None, description="who is to be forgotten by the models of `full` after the most epochs; empty: skip"
    )
    tunings: Annotated[dict[Name, TuningRecipe | None], Field(min_length=1)] = Field(
        {"full": TuningRecipe()}, description="the ways of fine-tuning"
    )

    @model_validator(mode="after")
    def _founded(self) -> "LanguageSettings":
        """Refuse canaries and unlearning without the fine-tuning of all weights that they build on."""
        full = self.tunings.get("full")
        for part in ("canaries", "unlearning"):
            if getattr(self, part) and (full is None or full.lora):
                raise ValueError(f"{part} builds on tunings.full, of all weights: add `full: {{}}` to tunings")
        if self.unlearning and self.unlearning.methods.retrain is None:
            raise ValueError("unlearning.methods lacks retrain, which all others are compared with: add `retrain: {}`")
        return self
