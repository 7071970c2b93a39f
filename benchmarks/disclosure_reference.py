"""Figures of the reference implementation of Giomi et al. (2022) on fixed tables, for a test of ours.

    python -m venv reference && reference/bin/pip install anonymeter==1.1.0 "pandas<3"
    reference/bin/python benchmarks/disclosure_reference.py

Writes `tests/unit/disclosure_reference.json`. The package wants an older NumPy than medpriv, and its authors claim a
pending patent: it is used to make these figures and nothing else.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from anonymeter.evaluators import InferenceEvaluator, LinkabilityEvaluator, SinglingOutEvaluator

TESTS = Path(__file__).parents[1] / "tests" / "unit"
sys.path.insert(0, str(TESTS))

from disclosure_tables import COLUMNS, KNOWN, LEVELS, ROWS, SECRETS, tables  # noqa: E402

# No more predicates of one column isolate a row, and the package divides by as many as are asked for.
PREDICATES = {"univariate": 99, "multivariate": 500}


def frame(cells):
    """Return the cells as the package reads them: levels by name."""
    made = pd.DataFrame(cells, columns=list(COLUMNS))
    for name, levels in LEVELS.items():
        made[name] = [levels[int(place)] for place in made[name]]
    return made


def figures(evaluator):
    """Return the rates with half the width of their intervals, and the risk."""
    found, risk = evaluator.results(), evaluator.risk()
    rates = {"members": found.attack_rate, "control": found.control_rate, "naive": found.baseline_rate}
    told = {name: {"value": rate.value, "error": rate.error} for name, rate in rates.items()}
    return told | {"n": found.n_attacks_ori, "risk": {"value": risk.value, "lower": risk.ci[0], "upper": risk.ci[1]}}


def main():
    """Run each attack once and write its figures."""
    held = {name: frame(cells) for name, cells in tables().items()}
    given = {"ori": held["members"], "syn": held["released"], "control": held["control"]}
    made = {}
    for mode, count in PREDICATES.items():
        evaluator = SinglingOutEvaluator(**given, n_attacks=count, n_cols=3, seed=1, max_attempts=100_000)
        made[f"singling-out-{mode}"] = figures(evaluator.evaluate(mode=mode))
    halves = (list(KNOWN), list(SECRETS))
    for neighbours in (1, 5):
        evaluator = LinkabilityEvaluator(**given, aux_cols=halves, n_attacks=ROWS, n_neighbors=neighbours)
        made[f"linkability-{neighbours}"] = figures(evaluator.evaluate(n_jobs=1))
    for secret in SECRETS:
        about = {"aux_cols": list(KNOWN), "secret": secret, "regression": secret not in LEVELS}
        made[f"inference-{secret}"] = figures(InferenceEvaluator(**given, **about, n_attacks=ROWS).evaluate(n_jobs=1))
    packages = {name: version(name) for name in ("anonymeter", "numpy", "pandas")}
    text = json.dumps({"packages": packages, "attacks": made}, indent=1)
    (TESTS / "disclosure_reference.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
