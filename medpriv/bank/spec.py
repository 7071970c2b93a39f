"""What a bank is trained by: a treatment, a model, and the settings of both."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TrainingSpec:
    """How one bank's models are made. `bank.json` carries it, so that nobody takes a bank's name apart.

    It holds what the catalogue says of the treatment, and doesn't read the catalogue: an entry more there must not
    train every bank anew.

    Attributes:
        name: the treatment's, as in paths and tables.
        word, parts: of the treatment, as `medpriv.catalogue.treatments.Spec` has them.
        model: a name of `medpriv.models.catalogue.MODELS`, or of trees.
        hyperparameters: of the model and its plain training, as the config gives them under `baselines`.
        settings: of the treatment, as its section of the config gives them.
    """

    name: str
    word: str
    parts: Mapping[str, str | int | float]
    model: str
    hyperparameters: Mapping[str, object]
    settings: Mapping[str, object] = field(default_factory=dict)

    def as_json(self) -> dict:
        """Return it in plain JSON values."""
        return {
            "name": self.name,
            "word": self.word,
            "parts": dict(self.parts),
            "model": self.model,
            "hyperparameters": dict(self.hyperparameters),
            "settings": dict(self.settings),
        }
