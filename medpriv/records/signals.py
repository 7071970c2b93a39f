"""ECG records: leads sampled in millivolts."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from medpriv.records.cohort import Fault, Faults, Rows, length_faults, scaling_faults


@dataclass(frozen=True)
class Signals:
    """N pieces of ECG.

    Attributes:
        x: float32 [N, leads, samples], millivolts, finite.
        leads: their names. Two may have the same one: some recordings have them the other way round.
        rate: Hz.
        centre, scale: float32 [leads, 1], fitted on the training split; scale is above 0.
        time: float32 [N], seconds of each record after the start of its patient's recording (a patient's further
            recordings follow the first without a gap); None where records have no order.
        valid: int32 [N, 2], the first sample of each record that is signal and the one after its last: the rest is
            padding; None where nothing is padded.
    """

    modality: ClassVar[str] = "signal"
    unit: ClassVar[str] = "mV"
    limits: ClassVar[None] = None  # an electrode's voltage has none that matters here

    x: np.ndarray
    leads: tuple[str, ...]
    rate: float
    centre: np.ndarray
    scale: np.ndarray
    time: np.ndarray | None = None
    valid: np.ndarray | None = None

    def __len__(self) -> int:
        """Return N."""
        return len(self.x)

    @property
    def features(self) -> tuple[str, ...]:
        """The leads."""
        return self.leads

    @property
    def units(self) -> tuple[str, ...]:
        """The unit of each lead."""
        return (self.unit,) * len(self.leads)

    def standardised(self, rows: Rows = slice(None)) -> np.ndarray:
        """Return (x - centre) / scale of some records, float32 [rows, leads, samples]."""
        return ((self.x[rows] - self.centre) / self.scale).astype(np.float32)

    def tensors(self) -> dict[str, np.ndarray]:
        """Return the arrays by name."""
        held = {name: getattr(self, name) for name in ("x", "centre", "scale", "time", "valid")}
        return {name: array for name, array in held.items() if array is not None}

    def about(self) -> dict[str, object]:
        """Return everything else, as JSON keeps it."""
        return {"sampling_rate": self.rate, "unit": self.unit}

    @classmethod
    def restore(cls, tensors: dict[str, np.ndarray], about: dict) -> "Signals":
        """Return the records that `tensors`, `features` and `about` told of."""
        arrays = {name: tensors.get(name) for name in ("x", "centre", "scale", "time", "valid")}
        return cls(leads=tuple(about["features"]), rate=about["sampling_rate"], **arrays)

    def faults(self) -> Faults:
        """Yield what would make later stages silently wrong."""
        yield from length_faults(len(self), {"time": self.time, "valid": self.valid})
        if len(self.leads) != self.x.shape[1]:
            yield Fault("features", f"{len(self.leads)} entries for {self.x.shape[1]} columns of x")
        if not all(isinstance(lead, str) and lead.strip() for lead in self.leads):
            yield Fault("features", "one has no name")
        if not np.isfinite(self.x).all():
            bad = np.argwhere(~np.isfinite(self.x))[0].tolist()
            yield Fault(f"x{bad}", "a value is not a finite number", record=bad[0])
        yield from scaling_faults(self.centre, self.scale)
        if self.time is not None and not np.isfinite(self.time).all():
            yield Fault("time", "a value is not a finite number")
        if self.valid is not None:
            first, last = self.valid.T
            if not ((first >= 0) & (first < last) & (last <= self.x.shape[-1])).all():
                yield Fault("valid", "no part of its record's samples")
