"""How good a reconstruction is, in standard deviations and in clinical units, beside knowing nothing of the record.

- `explained`: 1 - squared error / squared error of the public mean record; 1 is exact, 0 no better than the mean; no
  value where the mean itself is exact.
- `rmse`: root mean square error, in standard deviations of a feature.
- `recovered`: share of the variables that are right: numbers within `encoding.TOLERANCE`, categories exactly;
  `recovered_mode` is the share that the public medians and modes have right.
- `mae`: a feature's mean absolute error in its unit; `mae_median` is that of the public median.

Intervals are a bootstrap of replicates and patients; n counts the different records that are victims of some replicate,
`patients` the people they are of.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from medpriv.attacks.federated_server.encoding import Encoding
from medpriv.attacks.split_server.context import SplitAttackContext
from medpriv.measures.bootstrap import PatientBootstrap, difference_interval
from medpriv.measures.intervals import rate_interval
from medpriv.measures.table import Measure


@dataclass(frozen=True)
class ReconstructionScorer:
    """What turns values of victims into measures.

    Attributes:
        context: whose victims.
        treatment: the bank's.
        crossed: draws of replicates and of all patients of the dataset.
    """

    context: SplitAttackContext
    treatment: str
    crossed: PatientBootstrap

    def measure(self, attack: str, name: str, drawn: np.ndarray, group: str = "") -> Measure:
        """Return the measure of a figure's draws [1 + B], of the victims."""
        return self._measure(attack, name, difference_interval(drawn), group, self.context.victims)

    def rate(self, attack: str, name: str, drawn: np.ndarray, group: str, rows: np.ndarray | None = None) -> Measure:
        """Return the measure of a rate's draws [1 + B], of records int [n], some twice (else the victims)."""
        rows = self.context.victims if rows is None else rows
        value, patients = float(drawn[0]), len(np.unique(self.context.dataset.patient[rows]))
        return self._measure(attack, name, (value, *rate_interval(value, drawn[1:], patients)), group, rows)

    def _measure(
        self, attack: str, name: str, figures: tuple[float, float, float], group: str, rows: np.ndarray
    ) -> Measure:
        about = (self.context.dataset.name, self.treatment, f"cut-{attack}", name)
        counted = {"n": len(np.unique(rows)), "patients": len(np.unique(self.context.dataset.patient[rows]))}
        return Measure(*about, *figures, group=group, **counted)

    def totals(self, values: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Return the sums in each draw, [1 + B, M], of values [R, n, M] of records int [R, n] (else the victims)."""
        patient = self.context.dataset.patient[self.context.victims if rows is None else rows]
        return (self.crossed.sums(values, patient) * self.crossed.replicates[:, :, None]).sum(1)

    def means(self, values: np.ndarray) -> np.ndarray:
        """Return the means over victims in each draw, [1 + B, M], of values [R, n, M]; NaN in a draw without any."""
        counts = self.totals(np.ones((*values.shape[:2], 1)))
        with np.errstate(invalid="ignore"):
            return self.totals(values) / counts


def measure_records(
    scorer: ReconstructionScorer, attack: str, found: np.ndarray, *, by_feature: bool = False
) -> list[Measure]:
    """Return the measures of records found, float32 [R, n, F], standardised."""
    context = scorer.context
    public = context.flat[context.public]
    error, blind = ((np.square(guess - context.true)).mean(-1, keepdims=True) for guess in (found, public.mean(0)))
    error, blind = scorer.means(error)[:, 0], scorer.means(blind)[:, 0]
    measures = [
        scorer.measure(attack, "explained", 1 - error / np.where(blind > 0, blind, np.nan)),
        scorer.measure(attack, "rmse", np.sqrt(error)),
        scorer.measure(attack, "rmse_mean", np.sqrt(blind)),
    ]
    table = context.dataset.modality == "table"
    if table:
        encoding = Encoding.of(context.dataset)
        for name, guess in (("recovered", found), ("recovered_mode", encoding.typical)):
            for kind, hits in encoding.matches(guess, context.true).items():
                drawn = scorer.means(hits.mean(-1, keepdims=True))[:, 0]
                measures.append(scorer.rate(attack, name, drawn, f"kind={kind}"))
    if by_feature:
        for name, guess in (("mae", found), ("mae_median", np.median(public, axis=0))):
            drawn = scorer.means(np.abs(guess - context.true))
            measures += [scorer.measure(attack, name, *column) for column in _columns(context, drawn)]
    return measures


def _columns(context: SplitAttackContext, drawn: np.ndarray) -> Iterator[tuple[np.ndarray, str]]:
    """Yield the draws [1 + B], in the unit, and the group of each feature of a table, or lead of a signal."""
    scale = context.dataset.scale.reshape(-1)
    if context.dataset.modality == "table":
        for column, feature in enumerate(context.dataset.features):
            yield drawn[:, column] * scale[column], f"feature={feature}"
        return
    for lead, feature in enumerate(context.dataset.features):
        yield drawn[:, context.lead == lead].mean(1) * scale[lead], f"feature={feature}"
