"""The class of each record."""

from dataclasses import dataclass

import numpy as np

from medpriv.records.cohort import (
    TRAIN,
    Cohort,
    Fault,
    Faults,
    index_faults,
    key_faults,
    length_faults,
    name_faults,
)

LABEL = "outcome"  # what the label is called beside a table's columns, of which none may have this name


@dataclass(frozen=True)
class Labels:
    """One class a record.

    Attributes:
        y: int64 [N], index into `classes`.
        classes: names, all different; two or more, each with a record of the training split. They are keys of measures,
            so they hold no comma and no equals sign. Of two, the second is the positive one: that of `auprc`.
        column: what the source's table calls it; an empty text where nothing is known of that.
        own_classes: the classes as that table writes them, where one isn't written like its name; else none.
    """

    y: np.ndarray
    classes: tuple[str, ...]
    column: str = ""
    own_classes: tuple[str, ...] = ()

    @property
    def positive(self) -> str:
        """The positive one of two classes; an empty text where there are more."""
        return self.classes[1] if len(self.classes) == 2 else ""

    def about(self) -> dict[str, object]:
        """Return everything but `y`, as JSON keeps it."""
        own = {"label": self.column, "own_classes": self.own_classes}
        return {"classes": self.classes} | {key: value for key, value in own.items() if value}

    @classmethod
    def restore(cls, y: np.ndarray, about: dict) -> "Labels":
        """Return the labels that `about` told of."""
        return cls(y, tuple(about["classes"]), about.get("label", ""), tuple(about.get("own_classes", ())))

    def faults(self, cohort: Cohort) -> Faults:
        """Yield what would make later stages silently wrong."""
        yield from length_faults(len(cohort), {"y": self.y})
        yield from name_faults({"classes": self.classes})
        yield from key_faults({"classes": self.classes})
        yield from index_faults("y", self.y, len(self.classes))
        if len(self.classes) < 2:
            yield Fault("classes", "fewer than two, so there is nothing to be told apart")
        train = np.bincount(self.y[cohort.rows(TRAIN)], minlength=len(self.classes))
        if empty := [self.classes[index] for index in np.flatnonzero(train == 0)]:
            yield Fault("y", f"no record of class {', '.join(empty)} among the training patients")
