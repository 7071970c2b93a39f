"""One unlearning method in one audit, as the table and the pictures of unlearning see it."""

from dataclasses import dataclass

from medpriv.catalogue.treatments import METHODS
from medpriv.measures.table import Measure
from medpriv.measures.verdicts import verdict_name
from medpriv.report.labels import method_name, method_of
from medpriv.report.results import WHOLE, Audit, Group, Measures

REFERENCES = ("", "personalized", "retrain")  # before forgetting, and what forgetting is held against
ULIRA: Group = {"level": "patient", "reference": "retrain"}


@dataclass(frozen=True)
class MethodEvaluation:
    """One treatment of one audit, and its figures."""

    audit: Audit
    treatment: str
    measures: Measures

    @property
    def method(self) -> str:
        """Return the method's name in the config; that of the original is empty."""
        return method_of(self.treatment)

    @property
    def name(self) -> str:
        """Return the method's name on the page."""
        return method_name(self.method) if self.method else "Original"

    @property
    def control(self) -> bool:
        """Whether it is a control that must fail."""
        return is_control(self.method)

    def figure(self, attack: str, measure: str, group: Group = WHOLE) -> Measure | None:
        """Return a figure of this treatment."""
        return self.measures.find(measure, {"request": self.audit.request, **group}, f"unlearning-{attack}")

    def verdict(self, name: str) -> str:
        """Return what was found of `forgotten` or `usable`, by `medpriv.measures.verdicts.verdict_name`."""
        found = self.figure("verdict", name)
        return "undecided" if found is None else verdict_name(found.value)


def is_control(method: str) -> bool:
    """Return whether a name is that of a control."""
    return method in METHODS and bool(METHODS[method].control)


def is_method(method: str) -> bool:
    """Return whether a name is that of a method under test: neither a reference nor a control."""
    return method not in REFERENCES and not is_control(method)


def evaluations(audit: Audit) -> list[MethodEvaluation]:
    """Return the treatments of an audit in its order: the original, retraining, methods, and the controls last."""
    each = [MethodEvaluation(audit, treatment, own) for treatment, own in audit.measures.by_treatment().items()]
    return sorted(each, key=lambda item: item.control)
