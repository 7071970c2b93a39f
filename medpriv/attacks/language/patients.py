"""The tables of single patients: how exposed each is, and the tokens that give a patient away."""

from collections.abc import Sequence

import numpy as np

from medpriv.attacks.language import ragged
from medpriv.attacks.language.bench import Bench
from medpriv.attacks.language.contenders import PREFIX, Contender
from medpriv.attacks.release import best
from medpriv.measures.exposure import exposure_limits, null_quantiles

TOKEN_COLUMNS = ("patient", "record", "question", "place", "token", "bits", "n_in", "n_out")


def exposure_rows(bench: Bench, found: Sequence[Contender]) -> list[dict]:
    """Return one row a candidate patient, by the attack that is the best on the other half of the patients.

    Args:
        found: attacks on patients.
    """
    units, members = found[0].told, found[0].told.members
    half = bench.rng("exposure", "halves").permuted(np.arange(members.shape[1]) % 2 == 0)
    picked = best.pick_by_half(found, half)

    def exposure_of(told: np.ndarray) -> np.ndarray:
        return best.exposures(found, told, half, picked)

    null = null_quantiles(exposure_of, members, bench.rng("exposure", "null"))
    inside, count, exposure = members.sum(axis=0), np.bincount(bench.everyone.frame.patient), exposure_of(members)
    lower, upper = exposure_limits(exposure, inside, len(members) - inside, null)
    return [
        {
            "patient": bench.dataset.patients[units.patients[who]],
            "groups": ",".join(f"{one.key}={one.names[one.code[who]]}" for one in units.strata),
            "attack": f"{PREFIX}best",
            "exposure": exposure[who],
            "lower": lower[who],
            "upper": upper[who],
            "null_lower": null[0],
            "null_upper": null[1],
            "n_in": inside[who],
            "n_out": len(members) - inside[who],
            "records": count[who],
        }
        for who in range(len(inside))
    ]


def token_rows(bench: Bench) -> list[dict]:
    """Return the tokens that give each patient away: those with the most bits, replicates in over replicates out."""
    said, frame, texts = bench.said, bench.everyone.frame, bench.dataset.records
    text, members = ragged.text_of(said.base.offsets), frame.members
    inside = members[:, text]
    gain = said.log_probabilities.astype(np.float64)
    counts = [side.sum(axis=0) for side in (inside, ~inside)]
    with np.errstate(invalid="ignore", divide="ignore"):
        means = [(gain * side).sum(axis=0) / count for side, count in zip((inside, ~inside), counts, strict=True)]
    bits = np.nan_to_num((means[0] - means[1]) / np.log(2), nan=-np.inf)
    place, patient = ragged.place_of(said.base.offsets), frame.patient[text]
    order = np.lexsort((-bits, patient))
    starts = np.flatnonzero(np.diff(patient[order], prepend=-1))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    rows = []
    for at in order[(rank < bench.settings["token_rows"]) & np.isfinite(bits[order])]:
        record = bench.everyone.records[text[at]]
        rows.append(
            {
                "patient": bench.dataset.patients[bench.dataset.patient[record]],
                "record": int(record),
                "question": texts.questions[texts.question[record]],
                "place": int(place[at]),
                "token": texts.tokenizer.decode([int(said.tokens[at])]),
                "bits": float(bits[at]),
                "n_in": int(counts[0][at]),
                "n_out": int(counts[1][at]),
            }
        )
    return rows
