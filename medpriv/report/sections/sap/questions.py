"""What the table on smooth attacks asks: each line's figure, and what was published of it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One line of the table: what is asked, the rows that answer it, and what was published.

    Attributes:
        group: beside the reference budget, which every line has unless `whole`.
        published: in words; `claim` if the figure, in the data's own mix of classes, is to be compared with a number.
        most: what the method's idea demands the figure to lie under.
        form: `share`, `number`, or `spectrum` (a share, read beside that of white noise at the same rate).
    """

    text: str
    attack: str
    measure: str
    group: Mapping[str, str] | None = None
    whole: bool = False
    published: str = ""
    claim: float | None = None
    most: float | None = None
    form: str = "share"


LINES = {
    "How many right tracings are overturned": (
        Line("SAP overturns", "sap", "flip_rate", published="74 % (paper); about 60 % (rerun)", claim=0.74),
        Line("PGD overturns", "pgd", "flip_rate", published="about 66 % (rerun)", claim=0.66),
        Line("PGD as released overturns", "pgd-released", "flip_rate"),
        Line(
            "Accuracy under SAP",
            "sap",
            "accuracy_under_attack",
            published="0.349, 298 of 853 (rerun)",
            claim=298 / 853,
        ),
        Line(
            "Accuracy under PGD",
            "pgd",
            "accuracy_under_attack",
            published="0.298, 254 of 853 (rerun)",
            claim=254 / 853,
        ),
        Line("Random noise in SAP’s band, of SAP’s energy", "noise", "flip_rate", published="a control, ours"),
    ),
    "How smooth the change is": (
        Line("PGD’s energy above 40 Hz", "pgd", "energy_above_40hz", form="spectrum"),
        Line("SAP’s energy above 40 Hz", "sap", "energy_above_40hz", most=0.01),
        Line("PGD’s mean step from sample to sample, µV", "pgd", "mean_d1_uv", form="number"),
        Line("SAP’s mean step from sample to sample, µV", "sap", "mean_d1_uv", form="number"),
        Line("SAP’s signal-to-noise ratio, dB", "sap", "snr_db", form="number"),
        Line("R peaks that a detector finds elsewhere, SAP", "sap", "r_peaks_changed"),
        Line("Change of RR intervals under SAP, ms", "sap", "rr_change_ms", form="number"),
    ),
    "Whether it survives and whether it is seen": (
        Line("PGD after a monitor’s filter, 0.5–40 Hz", "pgd", "flip_rate_filtered"),
        Line("SAP after a monitor’s filter, 0.5–40 Hz", "sap", "flip_rate_filtered"),
        Line("SAP after a 12-bit converter", "sap", "flip_rate_requantised"),
        Line(
            "A trained detector tells PGD, AUC", "pgd", "detector_auc", published="clinicians: not rerun", form="number"
        ),
        Line(
            "A trained detector tells SAP, AUC", "sap", "detector_auc", published="clinicians: not rerun", form="number"
        ),
        Line("A trained detector tells noise in SAP’s band, AUC", "noise", "detector_auc", form="number"),
    ),
    "New examples from known ones": (
        Line("Band, as released: still misread", "band", "still_misclassified", {"form": "released"}),
        Line("Band, as intended: still misread", "band", "still_misclassified", {"form": "intended"}),
        Line("Concatenation, as released: still misread", "concatenation", "still_misclassified", {"form": "released"}),
        Line("… of these, unchanged copies of a parent", "concatenation", "unchanged_share", {"form": "released"}),
        Line("Concatenation, as intended: still misread", "concatenation", "still_misclassified", {"form": "intended"}),
        Line("… of these, unchanged copies of a parent", "concatenation", "unchanged_share", {"form": "intended"}),
    ),
    "What an attacker with less knows, or wants": (
        Line("Square attack, which sees no gradient", "square", "flip_rate"),
        Line("PGD made for another replicate", "pgd-transfer", "flip_rate"),
        Line("SAP made for another replicate", "sap-transfer", "flip_rate"),
        Line("PGD turned into a chosen class", "pgd-targeted", "targeted_success"),
        Line("SAP turned into a chosen class", "sap-targeted", "targeted_success"),
    ),
}
CHECKS = ("masking_steps", "masking_black_box", "masking_single_step", "masking_unbounded")
