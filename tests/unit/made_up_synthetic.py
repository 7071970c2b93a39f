"""Made-up artefacts of generators of synthetic tables and images, for the tests of the report."""

from dataclasses import replace
from pathlib import Path

from medpriv.catalogue.attacks import FAMILIES
from medpriv.files import write_csv, write_json
from medpriv.measures.classifiers import CLASSIFIERS
from medpriv.measures.marginals import MARGINAL_COLUMNS
from medpriv.measures.table import Measure, write_measures
from medpriv.measures.verdicts import CONTRADICTED, SUPPORTED, UNDECIDED

# treatment: (TSTR, what training on it costs, verdict, AUC by distance, of the strongest attack)
GENERATORS = {
    "synthetic-marginals": (0.52, -0.33, CONTRADICTED, 0.5, 0.5),
    "synthetic-cart": (0.84, -0.01, SUPPORTED, 0.6, 0.69),
    "synthetic-gan": (0.8, -0.05, UNDECIDED, 0.5, 0.6),
    "synthetic-gan-short": (0.6, -0.25, CONTRADICTED, 0.5, 0.5),
    "synthetic-gan-weights0.3": (0.7, -0.15, CONTRADICTED, 0.5, 0.58),
    "synthetic-mst-eps1": (0.7, -0.15, CONTRADICTED, 0.5, 0.5),
}
PATIENT = "level=patient"


def use(treatment: str) -> list[Measure]:
    """Return the use of one generator's tables."""
    made, lost, verdict, *_ = GENERATORS[treatment]
    about, counted = ("table", treatment, ""), {"n": 260, "patients": 260}
    rows = [
        Measure(*about, "tstr_auroc", made, made - 0.03, made + 0.03, **counted),
        Measure(*about, "trtr_auroc", 0.85, 0.82, 0.88, **counted),
        Measure(*about, "tstr_auroc_difference", lost, lost - 0.02, lost + 0.02, **counted),
        Measure(*about, "augmented_auroc_difference", 0.01, -0.01, 0.03, **counted),
        Measure(*about, "verdict_equivalent", verdict, group="figure=auroc", **counted),
        Measure(*about, "provable_margin", 0.04, group="figure=auroc", **counted),
    ]
    rows += [Measure(*about, "tstr_auroc", made, group=f"classifier={name}", **counted) for name in CLASSIFIERS]
    rows += [
        Measure(*about, "trtr_accuracy", 0.81, 0.78, 0.84, **counted),
        Measure(*about, "tstr_accuracy", 0.77, 0.74, 0.8, **counted),
        Measure(*about, "tstr_accuracy_difference", -0.04, -0.06, -0.02, **counted),
    ]
    rows += [
        Measure(*about, "trtr_accuracy", value, value - 0.03, value + 0.03, group=f"classifier={name}", **counted)
        for name, value in (("logistic", 0.84), ("tree", 0.76), ("mlp", 0.82))
    ]
    told = {"svm": SUPPORTED, "tree": CONTRADICTED}
    rows += [
        Measure(
            *about,
            "verdict_equivalent",
            told.get(name, UNDECIDED),
            group=f"figure=accuracy,classifier={name}",
            **counted,
        )
        for name in CLASSIFIERS
    ]
    parts = (("sex=F", 0.02, 120), ("sex=M", -0.1, 140), ("site=a", -0.04, 250), ("site=b", -0.3, 5))
    rows += [
        Measure(
            *about, "tstr_auroc_difference", lost + more, lost + more - 0.05, lost + more + 0.05, n, part, patients=n
        )
        for part, more, n in parts
    ]
    for group, quality in (("", 0.88), ("rows=members", 0.91)):
        rows += [
            Measure(*about, "quality", quality, quality - 0.02, quality + 0.02, 260, group),
            Measure(*about, "c2st_auc", 0.62, 0.55, 0.7, 260, group),
            Measure(*about, "beta_recall", 0.45, 0.3, 0.6, 260, group),
        ]
    return [*rows, Measure(*about, "rules_broken", 0.01, 0.0, 0.02, 130)]


def release(treatment: str) -> list[Measure]:
    """Return the attacks on what one generator released: all but two read ½."""
    *_, near, best = GENERATORS[treatment]
    counted, rows = {"n": 130, "patients": 130}, []
    for attack in FAMILIES["release"].attacks:
        about = ("table", treatment, attack)
        value = {"release-dcr": near, "release-best": best}.get(attack, 0.5)
        plain = attack == "release-best" or "null" in attack
        group = PATIENT if plain else f"statistic=plain,{PATIENT}"
        if "holdout" in attack:
            rows += [
                Measure(*about, "match_share", 0.6, 0.5, 0.7, group=PATIENT, **counted),
                Measure(*about, "p_value", 0.001, group=PATIENT, **counted),
                Measure(*about, "epsilon_lower", 0.3, group=PATIENT, **counted),
            ]
        elif "check" in attack:
            rows.append(Measure(*about, "passes", 0.75, 0.5, 0.9, 16, "quantile=0.05"))
        else:
            rows.append(Measure(*about, "auc", value, value - 0.03, value + 0.03, group=group, **counted))
    about = ("table", treatment, "release-best")
    rows += [
        Measure(*about, "auc_chance", 0.5, 0.48, 0.52, group=PATIENT, **counted),
        Measure(*about, "tpr_at_fpr_0.01", 0.03, 0.01, 0.05, group=PATIENT, **counted),
        Measure(*about, "tpr_at_fpr_0.1", 0.2, 0.15, 0.25, group=PATIENT, **counted),
    ]
    chosen = ("table", treatment, "release-meta")
    return [*rows, Measure(*chosen, "chosen_share", 0.8, n=16, group=f"statistic=plain,{PATIENT}")]


def disclosure(treatment: str) -> list[Measure]:
    """Return what one generator's rows disclose."""
    return [
        Measure("table", treatment, attack, measure, value, value - 0.02, value + 0.02, 130, patients=130)
        for attack in FAMILIES["disclosure"].attacks
        for measure, value in (("memorisation", 0.04), ("risk", 0.1), ("success_members", 0.5))
    ]


def canaries(treatment: str) -> list[Measure]:
    """Return the audit of a guarantee by noisy counts; none of another generator."""
    about = ("table", treatment, "audit-marginals")
    group = "canary=marginal,bound=independent-gaussian,delta=0.001"
    return [Measure(*about, "epsilon_lower", 0.8, n=12800, group=group)] if "mst" in treatment else []


def add_generators(root: Path, arguments: dict) -> dict[str, object]:
    """Add banks of generators of the dataset `table` to arguments of `read_results`' test double, and return them."""
    banks, attacks, stage = dict(arguments["banks"]), dict(arguments["attacks"]), root / "synthetic" / "table"
    for treatment in GENERATORS:
        folder = banks["table", treatment] = stage / treatment
        noise = {"weights": 0.3 if "weights" in treatment else 0.0, "activations": 0.0}
        spec = {"model": "cart", "hyperparameters": {"perturbation": noise}, "settings": {"released": 5}}
        privacy = {"privacy": {"epsilon": 0.99, "delta": 0.001, "unit": "patient"}} if "eps" in treatment else {}
        about = {
            "spec": spec,
            "replicates": list(range(16)),
            "metadata": privacy | {"made_consistent": 0.03},
            "costs": {"parameters": 100},
        }
        write_json(folder / "bank.json", about)
        for family in ("release", "disclosure", "synthetic_epsilon"):
            attacks["table", treatment, family] = root / "attacks" / "table" / "synthetic" / family
    write_measures(stage / "utility.csv", [row for name in GENERATORS for row in use(name)])
    marginals = [
        {"treatment": name, **dict(zip(MARGINAL_COLUMNS, ("sex", "F", "", "", 0.3, 0.35, 80), strict=True))}
        for name in GENERATORS
    ]
    write_csv(stage / "marginals.csv", ("treatment", *MARGINAL_COLUMNS), marginals)
    for family, made in (("release", release), ("disclosure", disclosure), ("synthetic_epsilon", canaries)):
        found = [row for name in GENERATORS for row in made(name)]
        write_measures(root / "attacks" / "table" / "synthetic" / family / "measures.csv", found)
    return arguments | {"banks": banks, "attacks": attacks}


IMAGES = {  # generator of images: the one of tables whose figures it is given
    "synthetic-pixel_gaussian": "synthetic-marginals",
    "synthetic-dcgan": "synthetic-gan",
    "synthetic-image_diffusion": "synthetic-cart",
    "synthetic-dp_merf-eps1": "synthetic-mst-eps1",
}


def copies() -> list[Measure]:
    """Return what a search for copies found among images, and what a filter missed."""
    rows = [
        Measure("beats", "", f"image-copies-{space}", measure, value, value - 0.02, value + 0.02, 130, patients=130)
        for space in ("features", "pixels")
        for measure, value in (
            *(("copy_share", 0.3), ("copy_share_others", 0.02)),
            *(("copied_patients", 0.4), ("copied_patients_others", 0.03), ("planted_found", 0.96)),
        )
    ]
    about = ("beats", "", "image-filter")
    rows.append(Measure(*about, "filter_missed", 0.5, 0.4, 0.6, 130, "space=pixels", patients=130))
    rows.append(Measure(*about, "auc_filtered", 0.7, 0.6, 0.8, 130, f"space=pixels,{PATIENT}", patients=130))
    return [*rows, Measure(*about, "auc", 0.8, 0.7, 0.9, 130, PATIENT, patients=130)]


def add_image_generators(root: Path, arguments: dict) -> dict[str, object]:
    """Add banks of generators of images of the dataset `beats`, as `add_generators` does."""
    banks, attacks, stage = dict(arguments["banks"]), dict(arguments["attacks"]), root / "synthetic" / "beats"
    used, found, copied = [], [], []
    for treatment, like in IMAGES.items():
        folder = banks["beats", treatment] = stage / treatment
        privacy = {"privacy": {"epsilon": 0.99, "delta": 0.001, "unit": "patient"}} if "eps" in treatment else {}
        spec = {"model": "dcgan", "hyperparameters": {}, "settings": {"released": 1}}
        about = {"spec": spec, "replicates": [0, 1, 2, 3], "metadata": privacy, "costs": {"parameters": 100}}
        write_json(folder / "bank.json", about)
        attacks["beats", treatment, "image_release"] = root / "attacks" / "beats" / "synthetic" / "image_release"
        own = [replace(row, dataset="beats", treatment=treatment) for row in use(like)]
        used += [row for row in own if row.measure not in ("quality", "rules_broken")]
        used += [
            replace(row, measure="kid", value=0.1, lower=0.05, upper=0.15) for row in own if row.measure == "quality"
        ]
        told = [replace(row, dataset="beats", treatment=treatment) for row in release(like)]
        rest = FAMILIES["image_release"].attacks.keys() - {f"image-{row.attack}" for row in told}
        found += [replace(row, attack=f"image-{row.attack}") for row in told if row.attack != "release-queries"]
        found += [
            replace(told[0], attack=name, group=f"statistic=plain,{PATIENT}", measure="auc") for name in sorted(rest)
        ]
        copied += [replace(row, treatment=treatment) for row in copies()]
        for family in ("synthetic_image_epsilon", "image_copies"):
            attacks["beats", treatment, family] = root / "attacks" / "beats" / "synthetic" / family
    write_measures(root / "attacks" / "beats" / "synthetic" / "image_copies" / "measures.csv", copied)
    group = "canary=patient,bound=independent-gaussian,delta=0.001"
    audited = Measure("beats", "synthetic-dp_merf-eps1", "audit-embedding", "epsilon_lower", 0.8, n=12800, group=group)
    write_measures(root / "attacks" / "beats" / "synthetic" / "synthetic_image_epsilon" / "measures.csv", [audited])
    write_measures(stage / "utility.csv", used)
    write_measures(root / "attacks" / "beats" / "synthetic" / "image_release" / "measures.csv", found)
    return arguments | {"banks": banks, "attacks": attacks}
