"""Time MST and AIM, and audit them where the published audits stand, at epsilon 1 and delta 0.01.

    python benchmarks/synthetic_marginals.py [--seeds N] [--runs N]

"seconds": processor seconds a fit and 5 n rows, of simulated patients of Cleveland: 14 columns, n 207 and 303, medians
over the seeds. "tightness": lower bounds on mu pooled over so many releases of 64 canaries, beside the claim (published
for another accounting: 0.43 of 0.45, Ganev et al. 2026). One thread.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from medpriv.attacks.epsilon_verdict import Claim
from medpriv.attacks.synthetic_epsilon import RELEASES, Parts, canary_scores, judge
from medpriv.config.synthetic_marginals import AimSettings, MstSettings
from medpriv.privacy.lower_bounds import gaussian_mu
from medpriv.seeds import generator
from medpriv.sources import heart
from medpriv.sources.acquire import acquire_raw
from medpriv.synthesis import aim, mst
from medpriv.synthesis.schema import Schema, cells_of

GENERATORS = {"mst": (mst, MstSettings), "aim": (aim, AimSettings)}
CANARIES = 64


def cleveland(patients: int) -> tuple[Schema, np.ndarray]:
    """Return schema and cells of simulated patients of one hospital."""
    with tempfile.TemporaryDirectory() as folder:
        raw, scratch = Path(folder) / "raw", Path(folder) / "scratch"
        settings = {"source": "simulated", "simulated": {"patients": {"cleveland": patients}}}
        acquire_raw("heart", "heart", settings, 1, raw, scratch)
        dataset = heart.parse("heart", raw, {"test_fraction": 0.3}, 1)
    return Schema.of(dataset), cells_of(dataset, np.arange(patients))


def time_fits(seeds: int) -> None:
    """Print processor seconds a fit."""
    for patients in (207, 303):
        schema, cells = cleveland(patients)
        for name, (module, section) in GENERATORS.items():
            for epsilon in (1.0, 8.0):
                settings, taken = section(epsilon=epsilon).model_dump(), []
                for seed in range(seeds):
                    start = time.process_time()
                    module.synthesise([cells], schema, settings, [generator(seed, name)], [5 * patients])
                    taken.append(time.process_time() - start)
                middle, most = statistics.median(taken), max(taken)
                print(
                    f"{name}, n {patients}, epsilon {epsilon:g}: {middle:.2f} s a fit (at most {most:.2f})", flush=True
                )


def audit(runs: int) -> None:
    """Print the pooled bounds on mu."""
    claim = Claim(1.0, 1e-2)
    for name, release in RELEASES.items():
        rngs = [generator(0, "tightness", name, run) for run in range(runs)]
        inside = np.stack([rng.random(CANARIES) < 0.5 for rng in rngs])
        verdict = judge(canary_scores(Parts(release), inside, claim, rngs), inside, claim, 0.05)
        proved = gaussian_mu(verdict.together, claim.delta)
        print(
            f"{name}: mu at least {proved:.3f} of {claim.mu:.3f} claimed ({proved / claim.mu:.1%}), epsilon "
            f"{verdict.together:.3f} of 1, from {verdict.n_together} decisions",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=2000)
    asked = parser.parse_args()
    time_fits(asked.seeds)
    audit(asked.runs)
