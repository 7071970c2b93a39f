"""Which banks of K replicates a dataset's section asks for, by the names of their treatments.

A treatment's name begins with the word that tells its stage (`STAGES`) and holds all that its job must know.
"""

from collections.abc import Iterable, Mapping
from typing import Any

STAGES = {"baseline": "baselines", "robust": "robust", "dp": "private", "fed": "federated", "split": "split"}
SECTIONS = {"robust": "robust", "dp": "private", "fed": "federated", "split": "split"}  # of a dataset's config
SILENT = ("local", "bn")  # strategies whose server sees no update, or none that is a whole model

GUARANTEED = ("client_dp", "sample_dp")  # strategies with an epsilon of their own

Treatments = dict[str, dict[str, Any]]


def chosen(sections: Mapping[str, Any] | None) -> list[str]:
    """Return the names of the sections that are there (an absent one is null)."""
    return [name for name, section in (sections or {}).items() if section is not None]


def stage_of(treatment: str) -> str:
    """Return the stage that makes a bank."""
    return STAGES[treatment.partition("-")[0]]


def treatments_of(section: Mapping[str, Any]) -> Treatments:
    """Return what each bank's job must know, by treatment, in the order of the stages.

    Args:
        section: a dataset's section of the checked config.
    """
    found: Treatments = {f"baseline-{model}": {"model": model} for model in chosen(section["baselines"])}
    robust = section.get("robust") or {}
    found |= {f"robust-{defence}": {"defence": defence} for defence in chosen(robust.get("defences"))}
    found |= dict(_private(section.get("private") or {}))
    federated = section.get("federated") or {}
    found |= {f"fed-{strategy}": {"strategy": strategy} for strategy in chosen(federated.get("strategies"))}
    split = section.get("split") or {}
    for variant in chosen(split.get("variants")):
        for cut in split["variants"][variant]["cuts"]:
            found[f"split-{variant}-cut{cut}"] = {"variant": variant, "cut": cut}
    return found


def _private(section: Mapping[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    for model in chosen(section.get("models")):
        for mechanism in chosen(section["models"][model]):
            for epsilon in section["epsilons"]:
                about = {"mechanism": mechanism, "model": model, "epsilon": epsilon}
                yield f"dp-{mechanism}-{model}-eps{epsilon:g}", about


def reference_of(section: Mapping[str, Any], treatment: str) -> str | None:
    """Return the baseline of the same network, with which a bank is compared patient by patient; None of a baseline."""
    kind = treatment.partition("-")[0]
    if kind == "baseline":
        return None
    model = treatments_of(section)[treatment]["model"] if kind == "dp" else section[SECTIONS[kind]]["model"]
    return f"baseline-{model}"


def replicates_of(section: Mapping[str, Any], treatment: str) -> int:
    """Return how many replicates a bank has: the dataset's K, or fewer where the treatment asks for fewer."""
    part = SECTIONS.get(treatment.partition("-")[0])
    own = section[part]["replicates"] if part else section["bank"]["replicates"]
    return min(own, section["bank"]["replicates"])


def families_of(section: Mapping[str, Any], treatment: str) -> list[str]:
    """Return the attack families that a bank faces."""
    kind, _, name = treatment.partition("-")
    trees = name in ("forest", "boosting")
    return [
        "membership",
        *["evasion"] * ("evasion" in section and not trees),
        *["smoothing"] * (treatment == "robust-noise"),
        *["epsilon"] * (kind == "dp" or name in GUARANTEED),
        *["server"] * (kind == "fed" and name not in SILENT),
        *["cut"] * (kind == "split"),
        *["attribute"] * ("evasion" not in section and not trees),
    ]
