"""What a bank is trained by: a treatment, a model, and the settings of both."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class TrainingSpec:
    """How one bank's models are made. `bank.json` carries it, so that nobody takes a bank's name apart.

    It holds the parts of the treatment's name (`medpriv.catalogue.treatments` forms names of them), and never reads
    the catalogue: an entry more there must not train every bank anew.

    Attributes:
        name: the treatment's, as in paths and tables; seeds derive from it.
        word: the treatment's, a key of `medpriv.catalogue.treatments.TREATMENTS`.
        parts: what the name says beside: text, integers or floats.
        model: a name of `medpriv.models.catalogue.MODELS`, or of trees.
        hyperparameters: of the model and its plain training, as the config gives them under `baselines`.
        settings: of the treatment, as its section of the config gives them.
    """

    name: str
    word: str
    parts: Mapping[str, object]
    model: str
    hyperparameters: Mapping[str, object]
    settings: Mapping[str, object] = field(default_factory=dict)

    def as_json(self) -> dict:
        """Return it in plain JSON values."""
        return asdict(self)
