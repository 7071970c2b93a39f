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

from medpriv.attacks.cut.scene import Scene
from medpriv.attacks.server.encoding import Encoding
from medpriv.measures.bootstrap import PatientBootstrap, difference_interval
from medpriv.measures.intervals import rate_interval
from medpriv.measures.table import Measure


@dataclass(frozen=True)
class Jury:
    """What turns values of victims into measures.

    Attributes:
        scene: whose victims.
        treatment: the bank's.
        crossed: draws of replicates and of all patients of the dataset.
    """

    scene: Scene
    treatment: str
    crossed: PatientBootstrap

    def measure(self, attack: str, name: str, drawn: np.ndarray, group: str = "") -> Measure:
        """Return the measure of a figure's draws [1 + B], of the victims."""
        return self._measure(attack, name, difference_interval(drawn), group, self.scene.victims)

    def rate(self, attack: str, name: str, drawn: np.ndarray, group: str, rows: np.ndarray | None = None) -> Measure:
        """Return the measure of a rate's draws [1 + B], of records int [n], some twice (else the victims)."""
        rows = self.scene.victims if rows is None else rows
        value, patients = float(drawn[0]), len(np.unique(self.scene.dataset.patient[rows]))
        return self._measure(attack, name, (value, *rate_interval(value, drawn[1:], patients)), group, rows)

    def _measure(
        self, attack: str, name: str, figures: tuple[float, float, float], group: str, rows: np.ndarray
    ) -> Measure:
        about = (self.scene.dataset.name, self.treatment, f"cut-{attack}", name)
        counted = {"n": len(np.unique(rows)), "patients": len(np.unique(self.scene.dataset.patient[rows]))}
        return Measure(*about, *figures, group=group, **counted)

    def totals(self, values: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Return the sums in each draw, [1 + B, M], of values [R, n, M] of records int [R, n] (else the victims)."""
        patient = self.scene.dataset.patient[self.scene.victims if rows is None else rows]
        return (self.crossed.sums(values, patient) * self.crossed.replicates[:, :, None]).sum(1)

    def means(self, values: np.ndarray) -> np.ndarray:
        """Return the means over victims in each draw, [1 + B, M], of values [R, n, M]; NaN in a draw without any."""
        counts = self.totals(np.ones((*values.shape[:2], 1)))
        with np.errstate(invalid="ignore"):
            return self.totals(values) / counts


def measure_records(jury: Jury, attack: str, found: np.ndarray, *, by_feature: bool = False) -> list[Measure]:
    """Return the measures of records found, float32 [R, n, F], standardised."""
    scene = jury.scene
    public = scene.flat[scene.public]
    error, blind = ((np.square(guess - scene.true)).mean(-1, keepdims=True) for guess in (found, public.mean(0)))
    error, blind = jury.means(error)[:, 0], jury.means(blind)[:, 0]
    measures = [
        jury.measure(attack, "explained", 1 - error / np.where(blind > 0, blind, np.nan)),
        jury.measure(attack, "rmse", np.sqrt(error)),
        jury.measure(attack, "rmse_mean", np.sqrt(blind)),
    ]
    table = scene.dataset.modality == "table"
    if table:
        encoding = Encoding.of(scene.dataset)
        for name, guess in (("recovered", found), ("recovered_mode", encoding.typical)):
            for kind, hits in encoding.matches(guess, scene.true).items():
                drawn = jury.means(hits.mean(-1, keepdims=True))[:, 0]
                measures.append(jury.rate(attack, name, drawn, f"kind={kind}"))
    if by_feature:
        for name, guess in (("mae", found), ("mae_median", np.median(public, axis=0))):
            drawn = jury.means(np.abs(guess - scene.true))
            measures += [jury.measure(attack, name, *column) for column in _columns(scene, drawn)]
    return measures


def _columns(scene: Scene, drawn: np.ndarray) -> Iterator[tuple[np.ndarray, str]]:
    """Yield the draws [1 + B], in the unit, and the group of each feature of a table, or lead of a signal."""
    scale = scene.dataset.scale.reshape(-1)
    if scene.dataset.modality == "table":
        for column, feature in enumerate(scene.dataset.features):
            yield drawn[:, column] * scale[column], f"feature={feature}"
        return
    for lead, feature in enumerate(scene.dataset.features):
        yield drawn[:, scene.lead == lead].mean(1) * scale[lead], f"feature={feature}"
