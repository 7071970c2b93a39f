"""The names that datasets, measures, attacks and treatments have on the page, from the catalogue.

A name that is not known (a user's dataset) stands as it is.
"""

from medpriv.catalogue.attacks import ATTACKS
from medpriv.catalogue.treatments import METHODS, VARIANTS, spec_of

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
    "tstr_auroc": "AUROC (TSTR)",
    "tstr_accuracy": "accuracy (TSTR)",
    "quality": "SDMetrics’ quality",
    "kid": "KID",
    "perplexity": "perplexity",
    "token_f1": "F1 of words",
}
CHECKS = {  # of gradient masking, which are measures, too
    "masking": "any check",
    "masking_steps": "more steps are not weaker",
    "masking_black_box": "the black box is not stronger",
    "masking_single_step": "one step is not stronger",
    "masking_unbounded": "without bound nothing stays right",
}
SIMULATED = " (simulated)"  # what a dataset of made-up patients is called after its name, everywhere


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
    return ATTACKS[name].label if name in ATTACKS else name


def method_of(treatment: str) -> str:
    """Return the unlearning method of a bank's treatment, as the config names it; empty for other treatments."""
    if not treatment.startswith("unlearned-"):
        return ""
    return treatment.removeprefix("unlearned-").removesuffix("-personal")


def method_name(method: str) -> str:
    """Return the name of an unlearning method as the field writes it."""
    return METHODS[method].label if method in METHODS else method


def variant_name(treatment: str) -> str:
    """Return what a variant of personalisation trains, from its bank's treatment."""
    variant = treatment.removeprefix("personalized-")
    return VARIANTS.get(variant, variant)


def check_name(name: str) -> str:
    """Return what a check of gradient masking asks."""
    return CHECKS.get(name, name)


def kind_of(treatment: str) -> str:
    """Return the word that a treatment's name begins with, a key of the catalogue's treatments."""
    return treatment.partition("-")[0]


def treatment_label(treatment: str) -> str:
    """Return what treatments of this kind do, in a few words; empty for a kind not known."""
    try:
        return spec_of(treatment).treatment.label
    except KeyError:
        return ""
