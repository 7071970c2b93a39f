"""What a dataset's section holds beside its format's own parts: bank, baselines, and the treatments built on them."""

from pydantic import Field, model_validator

from medpriv.config.evasion import EvasionSettings
from medpriv.config.models import BankSettings, CnnRecipe, LogisticRecipe, MlpRecipe
from medpriv.config.networks import DilatedRecipe, ResnetRecipe
from medpriv.config.personalized import PersonalizationSettings
from medpriv.config.robust import RobustSettings
from medpriv.config.section import Section
from medpriv.config.unlearning import UnlearningSettings


class Baselines(Section):
    """The baseline networks to train; leave one out to skip it."""

    logistic: LogisticRecipe | None = Field(None, description="logistic regression")
    mlp: MlpRecipe | None = Field(None, description="multi-layer perceptron")
    cnn: CnnRecipe | None = Field(None, description="1-D CNN with batch normalisation")
    cnn_gn: CnnRecipe | None = Field(None, description="its twin with group normalisation, fit for DP-SGD")
    dilated: DilatedRecipe | None = Field(None, description="13-layer dilated CNN of the smooth-attack work")
    resnet1d: ResnetRecipe | None = Field(None, description="1-D residual network")


class DatasetSettings(Section):
    """What every dataset's section holds."""

    bank: BankSettings = Field(default_factory=BankSettings, description="the replicate models")
    baselines: Baselines = Field(default_factory=Baselines, description="the baseline networks")
    unlearning: UnlearningSettings | None = Field(None, description="who is to be forgotten, and how; empty: skip")

    @model_validator(mode="after")
    def _built_on_what_is_trained(self) -> "DatasetSettings":
        for part in ("robust", "personalization", "unlearning"):
            section = getattr(self, part, None)
            if section and getattr(self.baselines, section.model, None) is None:
                raise ValueError(f"{part} builds on {section.model}, which `baselines` doesn't train: add it there")
        personal = getattr(self, "personalization", None)
        if self.unlearning and self.unlearning.personal and not (personal and personal.all):
            raise ValueError("unlearning.personal needs personalised models: add `personalization` with `all`")
        if self.unlearning and self.unlearning.methods.retrain is None:
            raise ValueError("unlearning.methods lacks retrain, which all others are compared with: add `retrain: {}`")
        return self


class SignalSettings(DatasetSettings):
    """What the section of a dataset of signals holds."""

    evasion: EvasionSettings = Field(
        default_factory=EvasionSettings, description="how small a change flips a diagnosis: the attacks"
    )
    robust: RobustSettings | None = Field(None, description="banks trained to withstand evasion; empty: skip")


class PatientSignalSettings(SignalSettings):
    """What the section of a dataset holds whose patients have many records, in the order of time."""

    personalization: PersonalizationSettings | None = Field(
        None, description="replicates fine-tuned to each held-out patient; empty: skip"
    )
