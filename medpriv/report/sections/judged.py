"""One unlearning method in one audit, as the table and the pictures of unlearning see it."""

from collections.abc import Mapping
from dataclasses import dataclass

from medpriv.measures.table import Measure
from medpriv.report import words
from medpriv.report.comparison import find, request_of
from medpriv.report.inputs import Audit

CONTROLS = {"fake": "control: changes nothing", "destroyed": "control: an untrained model"}
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

    def holds(self, verdict: str) -> bool | None:
        """Return a verdict; None where its interval has no limits."""
        found = self.figure("verdict", verdict)
        return None if found is None or found.value != found.value else found.value == 1


def judged(audit: Audit) -> list[Judged]:
    """Return the treatments of an audit in its order: the original, retraining, methods, and the controls last."""
    found: dict[str, list[Measure]] = {}
    for item in audit.measures:
        found.setdefault(item.treatment, []).append(item)
    each = [Judged(audit, treatment, tuple(own)) for treatment, own in found.items()]
    return sorted(each, key=lambda item: item.method in CONTROLS)
