"""Made-up artefacts of private, federated and split banks of tables, for the tests of the report."""

from pathlib import Path

from made_up_results import of_patients

from medpriv.attacks.federated_server import inversion
from medpriv.attacks.federated_server.reconstruction import EXAMPLE_COLUMNS as SERVER_COLUMNS
from medpriv.attacks.linkage.criteria import CRITERIA_COLUMNS
from medpriv.attacks.split_server.audit import EXAMPLE_COLUMNS as CUT_COLUMNS
from medpriv.attacks.split_server.audit import RECONSTRUCTIONS
from medpriv.files import read_json, write_csv, write_json
from medpriv.measures.table import NAN, Measure, write_measures
from medpriv.measures.utility import RELIABILITY_COLUMNS

SEARCHES = ("analytic", *inversion.SEARCHES)
SITES = ("cleveland", "hungarian", "switzerland", "va")
SECRET = "77.125"  # a value of a true record
START, END = "model=start,batch=1,steps=1,defence=none", "model=end,batch=4,steps=1,defence=none"
SECURE, PRIVATE = "model=start,batch=1,steps=1,defence=secure", "model=start,batch=1,steps=1,defence=dp"


def utility(treatment: str, auroc: float, replicates: int = 8, sites: tuple[str, ...] = SITES) -> list[Measure]:
    """Return utility measures of one bank: AUROC by replicate, and by site, one of which has no AUROC."""
    about = ("table", treatment, "")
    rows = [Measure(*about, "auroc", auroc, auroc - 0.05, auroc + 0.05, 260)]
    for index in range(replicates):
        wave = 0.001 * (index % 3)
        rows.append(Measure(*about, "auroc", auroc + wave, NAN, NAN, 260, replicate=str(index)))
    for place, site in enumerate(sites):
        n, group = 90 - 9 * place, f"site={site}"
        missing = site == "switzerland"
        values = (NAN, NAN, NAN) if missing else (auroc - 0.02 * place, auroc - 0.1, auroc + 0.1)
        rows.append(Measure(*about, "accuracy", 0.7 + 0.01 * place, 0.6, 0.8, n, group))
        rows.append(Measure(*about, "auroc", *values, n, group))
    return rows


def epsilon(treatment: str, claimed: float, audited: float, violations: float = 0.0) -> list[Measure]:
    """Return the audit of a private bank."""
    about, delta = ("table", treatment), "delta=0.0003"
    rows = [Measure(*about, "accountant", "epsilon_accountant", claimed, n=130, group=delta)]
    for canary, bound, value in (
        ("gradient", "one-run", audited / 2),
        ("gradient", "independent-gaussian", audited),
        ("record", "one-run-gaussian", 2 * audited),
    ):
        group = f"canary={canary},bound={bound},{delta}"
        rows.append(Measure(*about, "audit-one-run", "epsilon_lower", value, n=800, group=group))
        rows.append(Measure(*about, "audit-one-run", "violations", violations, n=16, group=group))
        rows.append(Measure(*about, "audit-one-run", "epsilon_lower", 9.0, n=200, group=group, replicate="0"))
    group = f"bound=independent-gaussian,{delta}"
    return [*rows, Measure(*about, "audit-bank", "epsilon_lower", audited / 4, n=4000, group=group)]


def membership(treatment: str, auc: float) -> list[Measure]:
    """Return one membership attack, and what the best of all attacks would reach by chance: up to 0.53."""
    about, rows = ("table", treatment), []
    for level in ("patient", "record"):
        counted = {"n": 130, "group": f"level={level}", "patients": 130}
        rows.append(Measure(*about, "membership-rmia", "auc", auc, auc - 0.03, auc + 0.03, **counted))
        rows.append(Measure(*about, "membership-best", "auc_chance", 0.51, 0.49, 0.53, **counted))
    return rows


def server(treatment: str, gains: dict[str, tuple[float, float, float]], records: int = 32) -> list[Measure]:
    """Return inversion in some settings (setting -> gain of the cosine attack), membership from updates, the site."""
    about = ("table", treatment)
    rows = [
        Measure(*about, "membership-updates", "auc", 0.95, 0.9, 0.99, 130, "level=patient"),
        Measure(*about, "property-site", "accuracy", 0.8, 0.7, 0.9, 64),
        Measure(*about, "property-site", "chance", 0.25, n=64),
    ]
    for setting, gain in gains.items():
        counted = {"n": records, "patients": records}
        matches = dict.fromkeys(SEARCHES, 0.45) | {"cosine": 0.5 + gain[0], "mode": 0.5, "random": 0.45}
        for attack, match in matches.items():
            name = f"inversion-{attack}"
            rows.append(Measure(*about, name, "match", match, match - 0.1, match + 0.1, group=setting, **counted))
            rows.append(Measure(*about, name, "match", match, group=f"{setting},kind=number", **counted))
            rows.append(Measure(*about, name, "rows", 0.25, 0, 0.5, group=setting, **counted))
            if attack in SEARCHES:
                gains = gain if attack == "cosine" else (-0.1, -0.2, 0.0)
                rows.append(Measure(*about, name, "gain", *gains, group=setting, **counted))
    return rows


def cut(treatment: str, explained: tuple[float, float, float]) -> list[Measure]:
    """Return attacks at the cut; a malicious server explains half of what a curious one does."""
    about = ("table", treatment)
    rows = [
        Measure(*about, "cut-correlation", "distance_correlation", 0.9, 0.88, 0.92, 4),
        Measure(*about, "cut-correlation", "distance_correlation_shuffled", 0.3, 0.2, 0.4, 4),
        Measure(*about, "cut-labels-direction", "balanced_accuracy", 0.97, 0.9, 1.0, 300, "moment=last"),
        Measure(*about, "cut-labels-direction", "balanced_accuracy", 0.99, 0.9, 1.0, 300, "moment=first"),
        Measure(*about, "cut-labels-norm", "balanced_accuracy", 0.6, 0.5, 0.7, 300, "moment=last"),
    ]
    for place, name in enumerate(("norm", "distance", "nearest")):
        values = (0.55 - 0.01 * place, 0.5, 0.6)
        rows.append(Measure(*about, f"cut-membership-{name}", "auc", *values, 130, "level=patient"))
    for place, attack in enumerate(RECONSTRUCTIONS):
        values = [SHARES.get(attack, 0.2 + 0.01 * place) * value for value in explained]
        rows.append(Measure(*about, f"cut-{attack}", "explained", *values, 400))
        rows.append(Measure(*about, f"cut-{attack}", "rmse", 0.4, 0.3, 0.5, 400))
        rows.append(Measure(*about, f"cut-{attack}", "rmse_mean", 1.0, 0.9, 1.1, 400))
    return rows


SHARES = {"decoder": 0.8, "inversion": 1.0, "inversion-public": 1.02, "unsplit": 0.3, "fsha": 0.5}


def attribute(treatment: str, advantage: tuple[float, float, float]) -> list[Measure]:
    """Return attribute inference; the LiRA attack could not be judged."""
    about = ("table", treatment)
    return [
        Measure(*about, "attribute-lira", "member_advantage", NAN, n=0),
        Measure(*about, "attribute-confidence", "member_advantage", -0.01, -0.05, 0.03, 120),
        Measure(*about, "attribute-combined", "member_advantage", *advantage, 120),
        Measure(*about, "attribute-combined", "accuracy_members", 0.6, 0.5, 0.7, 120),
        Measure(*about, "attribute-combined", "over_imputer", 0.05, 0.01, 0.09, 120),
        Measure(*about, "attribute-imputer", "accuracy", 0.55, 0.5, 0.6, 120),
    ]


def linkage(dataset: str = "table") -> list[Measure]:
    """Return the audit of a table whose rows are mostly unique in two sets of columns, one with a kept number."""
    about, rows = (dataset, "data"), []
    for name, unique in (("demographics", 0.1), ("demographics+site", 0.25), ("all", 1.0)):
        group = f"set={name}"
        for attack, measure, value in (
            ("anonymity", "columns", 3),
            ("anonymity", "k_min", 1),
            ("anonymity", "unique", unique),
            ("anonymity", "under_5", 0.4),
            ("reidentification", "prosecutor_max", 1.0),
            ("reidentification", "journalist_mean", 0.3),
            ("reidentification", "marketer", 0.2),
            ("linkability", "linked", 0.12),
            ("linkability", "by_chance", 0.0025),
        ):
            rows.append(Measure(*about, f"linkage-{attack}", measure, value, n=400, group=group))
        for attack, measure, value in (
            ("disclosure", "l_min", 1),
            ("disclosure", "t_max", 0.57),
            ("disclosure", "disclosed", 0.06),
            ("inference", "excess", 0.2),
        ):
            rows.append(Measure(*about, f"linkage-{attack}", measure, value, n=400, group=f"{group},sensitive=outcome"))
    rows.append(Measure(*about, "linkage-join", "joined", 1.0, n=400, group="key=row_id"))
    for measure in ("isolated", "isolated_blindly", "excess"):
        limits = (NAN, NAN) if measure == "excess" else (0.2, 0.4)
        group = "columns=2,values=exact"
        rows.append(Measure(*about, "linkage-singling-out", measure, 0.3, *limits, n=133, group=group))
    return rows


CRITERIA = [
    dict(zip(CRITERIA_COLUMNS, row, strict=True))
    for row in (
        ("HIPAA", "(A) names", "names of features", "nothing", "free text"),
        ("GDPR", "inference", "guesses", "20 % disclosed", "other tables"),
    )
]


def add_tables(root: Path, arguments: dict, *, leaks: bool = True) -> dict[str, object]:
    """Add private, federated and split banks of the dataset `table` to arguments of `build_report`, and return them."""
    banks, attacks = dict(arguments["banks"]), dict(arguments["attacks"])

    def add(stage: str, treatment: str, auroc: float, facts: dict, families: dict[str, list[Measure]]) -> None:
        folder = banks["table", treatment] = root / stage / "table" / treatment
        spec = {"model": "mlp", "hyperparameters": {"epochs": 3}, "settings": {}}
        about = {"spec": spec, "replicates": list(range(8)), "metadata": facts}
        costs = {"bytes_up": 12484, "bytes_down": 980, "rounds": 10, "clients": 4} if stage != "private" else {}
        write_json(folder / "bank.json", about | {"costs": {"parameters": 241, "updates": 30, "flops": 3e6, **costs}})
        write_measures(folder / "utility.csv", utility(treatment, auroc))
        write_csv(folder / "reliability.csv", RELIABILITY_COLUMNS, [])
        for family, measures in families.items():
            place = attacks["table", treatment, family] = root / "attacks" / "table" / treatment / family
            write_measures(place / "measures.csv", measures)

    write_measures(banks["table", "baseline-mlp"] / "utility.csv", utility("baseline-mlp", 0.8))
    for level, auroc in ((1.0, 0.7), (8.0, 0.799)):
        name = f"dp-sgd-mlp-eps{level:g}"
        privacy = {
            "epsilon": level,
            "delta": 0.0003,
            "unit": "patient",
            "patients": 130,
            "tuning": "Fixed beforehand.",
            "caveats": ["c"],
        }
        families = {"membership": membership(name, 0.52), "epsilon": epsilon(name, level, level / 3)}
        add(
            "private", name, auroc, {"privacy": privacy}, families | {"attribute": attribute(name, (0.01, -0.01, 0.03))}
        )
    for name, auroc in (("fed-local", 0.7), ("fed-avg", 0.79)):
        federation = {"partition": "site", "clients": dict.fromkeys(SITES, 60)}
        families = {"membership": membership(name, 0.6)}
        if name == "fed-avg":
            gains = {START: (0.5, 0.4, 0.6), END: (0.2, 0.1, 0.3), PRIVATE: (-0.05, -0.1, 0.01)}
            families["federated_server"] = server(name, gains | {SECURE: (0.02, -0.03, 0.07)})
        add("federated", name, auroc, {"federation": federation}, families)
    for variant, explained in (("vanilla", (0.9, 0.88, 0.92)), ("nopeek", (0.6, 0.55, 0.65))):
        name = f"split-{variant}-cut1"
        facts = {"split": {"topology": variant, "cut": 1, "clients": dict.fromkeys(SITES, 60)}}
        add("split", name, 0.8, facts, {"membership": membership(name, 0.6), "split_server": cut(name, explained)})
    place = attacks["table", "fed-avg", "federated_server"]
    rows = [
        dict(zip(SERVER_COLUMNS, (f"inversion-{attack}", setting, feature, unit, SECRET, found), strict=True))
        for setting in (START, END, PRIVATE, SECURE)
        for attack, found in (("cosine", 76.4), ("analytic", 0.00001))
        for feature, unit in (("age", "years"), ("chol", "mg/dl"))
    ]
    write_csv(of_patients(place) / "examples.csv", SERVER_COLUMNS, rows)
    rows = [dict(zip(CUT_COLUMNS, ("cut-decoder", 1, "age", "years", SECRET, 70), strict=True))]
    place = attacks["table", "split-vanilla-cut1", "split_server"]
    write_csv(of_patients(place) / "examples.csv", CUT_COLUMNS, rows)
    place = root / "attacks" / "table" / "linkage"
    write_measures(place / "measures.csv", linkage())
    write_csv(place / "criteria.csv", CRITERIA_COLUMNS, CRITERIA)
    about = read_json(arguments["datasets"]["table"] / "dataset.json")
    about["notes"] |= {"leakage": [finding()] if leaks else [], "hospitals": {"a": 90001}}
    write_json(arguments["datasets"]["table"] / "dataset.json", about)
    return arguments | {"banks": banks, "attacks": attacks, "linkage": {"table": place}}


def finding(name: str = "death_flag", allowed: bool = True) -> dict:
    """Return one finding of the check for leakage."""
    about = {"check": "equal", "name": name, "explanation": f"{name} is the outcome", "value": 1.0, "lower": 0.98}
    return about | {"n": 129, "stops": True, "allowed": allowed}
