"""Numbers as text, and the names that measures, attacks and treatments have on the page.

A name that is not known here (a later treatment, a user's dataset) stands as it is.
"""

import math
from collections.abc import Mapping, Sequence

from medpriv.measures.table import Measure

MEASURES = {
    "macro_f1": "macro-F1",
    "auroc": "AUROC",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "brier": "Brier score",
    "ece": "calibration error",
    "auc": "AUC",
    "flip_rate": "flip rate",
    "accuracy_under_attack": "accuracy under attack",
    "sensitivity": "sensitivity",
    "ppv": "positive predictive value",
}
ATTACKS = {
    "membership-loss": "Loss threshold",
    "membership-lira-online": "LiRA online",
    "membership-lira-offline": "LiRA offline",
    "membership-lira-online-shared": "LiRA online (shared)",
    "membership-lira-offline-shared": "LiRA offline (shared)",
    "membership-rmia": "RMIA",
    "membership-bavaria": "BaVarIA",
    "membership-informia": "InfoRMIA",
    "membership-best": "Best of all, by chance",
    "evasion-fgsm": "FGSM",
    "evasion-pgd": "PGD",
    "evasion-pgd-released": "PGD as released",
    "evasion-pgd-transfer": "PGD, transferred",
    "evasion-pgd-targeted": "PGD, targeted",
    "evasion-sap": "SAP",
    "evasion-sap-transfer": "SAP, transferred",
    "evasion-sap-targeted": "SAP, targeted",
    "evasion-noise": "Random noise in SAP’s band",
    "evasion-square": "Square (black box)",
    "evasion-band": "Band",
    "evasion-concatenation": "Concatenation",
    "membership-updates": "From the updates",
    "inversion-analytic": "Analytic",
    "inversion-dlg": "DLG",
    "inversion-idlg": "iDLG",
    "inversion-cosine": "Cosine",
    "inversion-tableak": "TabLeak",
    "inversion-mode": "Mode",
    "inversion-random": "Random",
    "cut-decoder": "Decoder",
    "cut-inversion": "Inversion, layers known",
    "cut-inversion-public": "Inversion, layers and public records",
    "cut-inversion-repeated": "Inversion, the same sent repeatedly",
    "cut-unsplit": "UnSplit",
    "cut-unsplit-start": "UnSplit from the first layers",
    "cut-fsha": "FSHA",
    "cut-fsha-start": "FSHA from the first layers",
    "cut-labels-direction": "Gradients’ direction",
    "cut-labels-norm": "Gradients’ norm",
    "cut-membership-norm": "LiRA on the norm",
    "cut-membership-distance": "LiRA on the distance",
    "cut-membership-nearest": "LiRA on the nearest",
    "attribute-confidence": "Confidence",
    "attribute-lira": "LiRA",
    "attribute-combined": "Combined with imputing",
    "attribute-imputer": "Imputer, no model",
    "personal-fgsm": "FGSM",
    "personal-pgd": "PGD",
    "personal-sap": "SAP",
    "personal-membership-loss": "Loss, one model",
    "personal-membership-difference": "Difference of the pair",
    "personal-membership-lira": "LiRA, one model",
    "personal-membership-lira-difference": "LiRA on the pair",
    "personal-identification-difference": "Difference of the pair",
    "personal-identification-difference-calibrated": "Difference, calibrated by shadows",
    "personal-identification-calibrated": "One model, calibrated by shadows",
}
METHODS = {
    "retrain": "Retraining",
    "finetune": "Fine-tuning",
    "cf_k": "CF-k",
    "eu_k": "EU-k",
    "neggrad": "NegGrad+",
    "scrub": "SCRUB",
    "relabel": "Random relabelling",
    "badteacher": "Bad teacher",
    "ssd": "SSD",
    "ssd_labelfree": "Label-free SSD",
    "fisher": "Fisher forgetting",
    "amnesiac": "Amnesiac",
    "sisa": "SISA",
    "certified": "Certified removal",
    "fake": "Fake",
    "destroyed": "Destroyed",
}
CHECKS = {
    "masking": "any check",
    "masking_steps": "more steps are not weaker",
    "masking_black_box": "the black box is not stronger",
    "masking_single_step": "one step is not stronger",
    "masking_unbounded": "without bound nothing stays right",
}
VARIANTS = {"all": "all weights", "head": "last layer alone", "regularized": "all weights, pulled back"}
FAMILIES = {
    "baseline": "no defence",
    "robust": "trained to resist changes",
    "personalized": "adapted to each patient",
    "unlearned": "patients removed afterwards",
    "dp": "differential privacy",
    "fed": "federated training",
    "split": "split learning",
    "synthetic": "trained on synthetic records",
}
SIMULATED = " (simulated)"  # what a dataset of made-up patients is called after its name, everywhere
MISSING = "–"
UNRESOLVABLE = "not resolvable"


def display_name(dataset: str, simulated: bool) -> str:
    """Return what a dataset is called in the report: a figure taken out of the page still says what it is of."""
    return f"{dataset}{SIMULATED}" if simulated else dataset


def stored_name(name: str) -> str:
    """Return the dataset's own name, which its folders and the config have."""
    return name.removesuffix(SIMULATED)


def simulated_cell(name: str) -> str:
    """Return whether a dataset's patients are simulated, by its name in the report, as a table's cell."""
    return "true" if name.endswith(SIMULATED) else "false"


def measure_name(name: str) -> str:
    """Return a measure's name as the field writes it."""
    return MEASURES.get(name, name.replace("_", " "))


def attack_name(name: str) -> str:
    """Return an attack's name as the field writes it."""
    return ATTACKS.get(name, name)


def method_name(treatment: str) -> str:
    """Return the name of an unlearning method, from its bank's treatment."""
    method = treatment.removeprefix("unlearned-").removesuffix("-personal")
    return METHODS.get(method, method)


def variant_name(treatment: str) -> str:
    """Return what a variant of personalisation trains, from its bank's treatment."""
    variant = treatment.removeprefix("personalized-")
    return VARIANTS.get(variant, variant)


def check_name(name: str) -> str:
    """Return what a check of gradient masking asks."""
    return CHECKS.get(name, name)


def microvolts(millivolts: float | str) -> str:
    """Return a size given in millivolts in microvolts."""
    return f"{float(millivolts) * 1000:g}\u00a0µV"


def family_of(treatment: str) -> str:
    """Return what a treatment's family does, in a few words; empty for a family not known here."""
    return FAMILIES.get(treatment.partition("-")[0], "")


def number(value: float | None, places: int = 3) -> str:
    """Return a figure with a fixed number of decimals and a true minus sign."""
    if value is None or math.isnan(value):
        return MISSING
    text = f"{value:.{places}f}"
    return text.replace("-", "−") if float(text) else text.replace("-", "")


def percent(value: float | None, places: int = 1) -> str:
    """Return a share as a percentage."""
    if value is None or math.isnan(value):
        return MISSING
    return number(100 * value, places) + "\u00a0%"


def interval(measure: Measure | None, *, share: bool = False, places: int = 3) -> str:
    """Return a 95 % interval; empty where none was computed."""
    if measure is None or math.isnan(measure.lower) or math.isnan(measure.upper):
        return ""
    low, high = (number(100 * end, 1) if share else number(end, places) for end in (measure.lower, measure.upper))
    return f"{low} to {high}"


def integer(value: float) -> str:
    """Return a count with thin spaces between thousands."""
    return f"{round(value):,}".replace(",", "\u202f")


def scientific(value: float) -> str:
    """Return a large machine-independent cost in three significant digits and a unit prefix."""
    for size, prefix in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{prefix}"
    return f"{value:.3g} "


def size(count: float) -> str:
    """Return a number of bytes in three significant digits and a unit."""
    return f"{scientific(count).strip()}B" if count >= 1000 else f"{round(count)}\u00a0B"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{integer(count)} {noun}{'' if count == 1 else 's'}"


def span(counts: Sequence[int]) -> str:
    """Return the lowest and the highest of some counts."""
    low, high = integer(min(counts)), integer(max(counts))
    return low if low == high else f"{low} to {high}"


def explain_notes(notes: Mapping[str, object], names: bool) -> list[tuple[str, str]]:
    """Return a dataset's preprocessing notes as (what, how many or why); without `names`, plain counts only."""
    lines = []
    for name, value in notes.items():
        if not names and not isinstance(value, int | float):
            continue
        if isinstance(value, Mapping):
            text = ", ".join(f"{key}: {item}" for key, item in value.items()) or "none"
        elif isinstance(value, list | tuple):
            text = ", ".join(str(item) for item in value) or "none"
        else:
            text = str(value)
        lines.append((name.replace("_", " "), text))
    return lines
