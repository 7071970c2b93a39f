"""One unlearning method in one audit, as the table and the pictures of unlearning see it."""

from collections.abc import Mapping
from dataclasses import dataclass

from medpriv.measures.table import Measure
from medpriv.measures.verdicts import verdict_name
from medpriv.report import words
from medpriv.report.comparison import find, request_of
from medpriv.report.inputs import Audit

CONTROLS = {"fake": "control: changes nothing", "destroyed": "control: an untrained model"}
REFERENCES = ("", "personalized", "retrain")  # before forgetting, and what forgetting is held against
ULIRA = {"level": "patient", "reference": "retrain"}


@dataclass(frozen=True)
class Judged:
    """One treatment of one audit, and its figures by (attack, measure, group)."""

    audit: Audit
    treatment: str
    measures: tuple[Measure, ...]

    @property
    def method(self) -> str:
        """Return the method's name in the config; that of the original is empty."""
        if not self.treatment.startswith("unlearned-"):
            return ""
        return self.treatment.removeprefix("unlearned-").removesuffix("-personal")

    @property
    def name(self) -> str:
        """Return the method's name on the page."""
        return words.METHODS.get(self.method, self.method) if self.method else "Original"

    def figure(self, attack: str, measure: str, group: Mapping[str, str] | None = None) -> Measure | None:
        """Return a figure of this treatment."""
        whole = {"request": request_of(self.audit), **(group or {})}
        return find(self.measures, measure, whole, f"forgetting-{attack}")

    def verdict(self, name: str) -> str:
        """Return what was found of `forgotten` or `usable`, by `medpriv.measures.verdicts.verdict_name`."""
        found = self.figure("verdict", name)
        return "undecided" if found is None else verdict_name(found.value)

    @property
    def asked(self) -> str:
        """Return how many patients were to be forgotten, and by how many models."""
        auc = self.figure("ulira", "auc", ULIRA)
        return f"{words.plural(auc.patients, 'patient')} ({words.plural(auc.n, 'model')})" if auc else "nobody"


def is_method(method: str) -> bool:
    """Return whether a name is that of a method under test: neither a reference nor a control."""
    return method not in (*REFERENCES, *CONTROLS)


def judged(audit: Audit) -> list[Judged]:
    """Return the treatments of an audit in its order: the original, retraining, methods, and the controls last."""
    found: dict[str, list[Measure]] = {}
    for item in audit.measures:
        found.setdefault(item.treatment, []).append(item)
    each = [Judged(audit, treatment, tuple(own)) for treatment, own in found.items()]
    return sorted(each, key=lambda item: item.method in CONTROLS)
