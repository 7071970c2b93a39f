"""What a dataset's section holds beside its format's own parts: bank, baselines, and the treatments built on them."""

from collections.abc import Iterator
from typing import ClassVar, get_args

from pydantic import Field, model_validator

from medpriv.config.evasion import ImageEvasionSettings, SignalEvasionSettings
from medpriv.config.federated import FederatedSettings
from medpriv.config.fit import misfits
from medpriv.config.language import LanguageSettings
from medpriv.config.models import BankSettings, Cnn2dRecipe, CnnRecipe, LogisticRecipe, MlpRecipe, Recipe
from medpriv.config.networks import DilatedRecipe, ResnetRecipe
from medpriv.config.personalized import PersonalizationSettings
from medpriv.config.private import PrivateSettings
from medpriv.config.robust import ImageRobustSettings, RobustSettings
from medpriv.config.section import Section
from medpriv.config.split import SplitSettings
from medpriv.config.synthetic import ImageSyntheticSettings, SyntheticSettings
from medpriv.config.trees import BoostingRecipe, ForestRecipe
from medpriv.config.unlearning import UnlearningSettings


class Baselines(Section):
    """The baseline models to train; leave one out to skip it."""

    logistic: LogisticRecipe | None = Field(None, description="logistic regression")
    mlp: MlpRecipe | None = Field(None, description="multi-layer perceptron")
    cnn: CnnRecipe | None = Field(None, description="1-D CNN with batch normalisation")
    cnn_gn: CnnRecipe | None = Field(None, description="its twin with group normalisation, fit for DP-SGD")
    cnn2d: Cnn2dRecipe | None = Field(None, description="2-D CNN with group normalisation, for images")
    dilated: DilatedRecipe | None = Field(None, description="13-layer dilated CNN of the smooth-attack work")
    resnet1d: ResnetRecipe | None = Field(None, description="1-D residual network")
    forest: ForestRecipe | None = Field(None, description="random forest, for tables")
    boosting: BoostingRecipe | None = Field(None, description="gradient-boosted trees, for tables")


# Of each network, what of its recipe says which layers it has.
LAYERS: dict[str, tuple[str, ...]] = {
    name: kind.layers
    for name, field in Baselines.model_fields.items()
    for kind in get_args(field.annotation)
    if issubclass(kind, Recipe)
}


class DatasetSettings(Section):
    """What every dataset's section holds; `modality` is what its records are."""

    modality: ClassVar[str] = "table"  # as in `medpriv.records`

    bank: BankSettings = Field(default_factory=BankSettings, description="the replicate models")
    baselines: Baselines = Field(default_factory=Baselines, description="the baseline models")
    private: PrivateSettings | None = Field(None, description="banks with differential privacy; empty: skip")
    federated: FederatedSettings | None = Field(
        None, description="banks of hospitals that keep their records; empty: skip"
    )
    split: SplitSettings | None = Field(None, description="banks of networks cut between site and server; empty: skip")
    unlearning: UnlearningSettings | None = Field(None, description="who is to be forgotten, and how; empty: skip")
    synthetic: SyntheticSettings | None = Field(
        None, description="banks of generators of synthetic tables, for tables; empty: skip"
    )

    @model_validator(mode="after")
    def _no_empty_shard(self) -> "DatasetSettings":
        banks = {"bank": self.bank} | {
            name: section
            for name in ("robust", "private", "federated", "split")
            if (section := getattr(self, name, None))
        }
        for name, section in banks.items():
            if section.replicates < self.bank.shards:
                count = section.replicates
                raise ValueError(
                    f"bank.shards: {self.bank.shards} for the {count} replicates of {name}, so that some would be "
                    f"empty: ask for {count} at most"
                )
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> "DatasetSettings":
        # What isn't trained can't misfit: the one fault first.
        if faults := list(self._unfounded()) or misfits(self):
            raise ValueError("\n".join(faults))
        return self

    def _unfounded(self) -> Iterator[str]:
        """Treatments that build on what is not trained."""
        wanted = [
            (part, section.model)
            for part in ("robust", "personalization", "unlearning", "federated", "split")
            if (section := getattr(self, part, None))
        ]
        if self.private:
            wanted += [("private", model) for model, ways in self.private.models if ways]
        for part, model in wanted:
            if getattr(self.baselines, model, None) is None:
                yield f"{part} builds on {model}, which `baselines` doesn't train: add it there"
        personal = getattr(self, "personalization", None)
        if self.unlearning and self.unlearning.personal and not (personal and personal.all):
            yield "unlearning.personal needs personalised models: add `personalization` with `all`"
        if self.unlearning and self.unlearning.methods.retrain is None:
            yield "unlearning.methods lacks retrain, which all others are compared with: add `retrain: {}`"


class SignalSettings(DatasetSettings):
    """What the section of a dataset of signals holds."""

    modality: ClassVar[str] = "signal"

    evasion: SignalEvasionSettings = Field(
        default_factory=SignalEvasionSettings, description="how small a change flips a diagnosis: the attacks"
    )
    robust: RobustSettings | None = Field(None, description="banks trained to withstand evasion; empty: skip")


class ImageSettings(DatasetSettings):
    """What the section of a dataset of images holds."""

    modality: ClassVar[str] = "image"

    evasion: ImageEvasionSettings = Field(
        default_factory=ImageEvasionSettings, description="how small a change flips a diagnosis: the attacks"
    )
    robust: ImageRobustSettings | None = Field(None, description="banks trained to withstand evasion; empty: skip")
    synthetic: ImageSyntheticSettings | None = Field(
        None, description="banks of generators of synthetic images; empty: skip"
    )


class TextSettings(DatasetSettings):
    """What the section of a dataset of texts holds."""

    modality: ClassVar[str] = "text"

    language: LanguageSettings | None = Field(
        None, description="language models fine-tuned on the patients' texts; empty: skip"
    )


class PatientSignalSettings(SignalSettings):
    """What the section of a dataset holds whose patients have many records, in the order of time."""

    personalization: PersonalizationSettings | None = Field(
        None, description="replicates fine-tuned to each held-out patient; empty: skip"
    )
