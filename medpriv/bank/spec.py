"""What a bank is trained by: a treatment of the catalogue, a model, and the settings of both."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from medpriv.catalogue.treatments import Parts, Spec, spec_of


@dataclass(frozen=True)
class TrainingSpec:
    """How one bank's models are made. `bank.json` carries it, so that nobody takes a bank's name apart.

    Attributes:
        word, parts: of the treatment, as `medpriv.catalogue.treatments.Spec` has them.
        model: a name of `medpriv.models.catalogue.MODELS`, or of trees.
        hyperparameters: of the model and its plain training, as the config gives them under `baselines`.
        settings: of the treatment, as its section of the config gives them.
    """

    word: str
    parts: Parts
    model: str
    hyperparameters: Mapping[str, object]
    settings: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def named(
        cls, name: str, model: str, hyperparameters: Mapping[str, object], settings: Mapping[str, object] | None = None
    ) -> "TrainingSpec":
        """Return the spec of a treatment's name (`dp-sgd-mlp-eps8`).

        Raises:
            KeyError: no treatment forms such a name.
        """
        spec = spec_of(name)
        return cls(spec.word, spec.parts, model, hyperparameters, settings or {})

    @property
    def name(self) -> str:
        """The treatment's name, as in paths and tables."""
        return Spec(self.word, self.parts).name

    def as_json(self) -> dict:
        """Return it in plain JSON values."""
        return {
            "word": self.word,
            "parts": dict(self.parts),
            "model": self.model,
            "hyperparameters": dict(self.hyperparameters),
            "settings": dict(self.settings),
        }
