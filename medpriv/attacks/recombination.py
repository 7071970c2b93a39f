"""New attacked signals from known ones, as the SAP paper makes them: inside a band, and by joining two.

From one signal that SAP overturns, noisy copies are made: its perturbation plus Gaussian noise of half the budget,
smoothed and clipped again. Those that the network still takes for the same wrong class are kept.
- Band: random signals between the smallest and the largest kept perturbation of each sample, smoothed, and put back
  inside the band.
- Concatenation: of two kept perturbations, the left part of one and the right part of the other, joined where they
  agree, in the first lead (the other leads stay those of the left one).
Both forms are made. `intended`: smoothed by the whole filter; cut at points where the two differ by no more than 0.001
microvolts, or where they cross between two samples (sampled curves seldom meet on a sample). `released`: what the
authors' code does: smoothed by the 5 kernels of the least length only; the loop counts the exact agreements within the
signal but cuts at its counter, so at the start of the record. Where that is padding, a parent comes back unchanged.

Measures, over source records (n; the interval is Clopper-Pearson's on the patients who have them): still_misclassified,
the share of new signals that are not taken for their true class; unchanged_share, that of those which equal a parent;
kept_share, that of the noisy copies which keep the wrong class; new_examples, how many signals were made in all.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.attacks.attacked_records import AttackedRecords
from medpriv.attacks.target_models import TargetModels, standardise
from medpriv.defences.sap_filter import HALF_LENGTHS, WIDTHS, gaussian_kernels, smooth, smoothing_filter
from medpriv.measures.intervals import clopper_pearson
from medpriv.measures.table import NAN, Measure

PARENTS = 10  # first kept copies that are joined in pairs
CUTS = 4  # points at which a pair is joined, evenly among those found
AGREEMENT_MV = 1e-6  # 0.001 microvolts
FORMS = ("released", "intended")


@dataclass(frozen=True)
class Recombined:
    """What one source record yields by one method and form: shares, NaN where nothing could be made, and a count."""

    misclassified: float
    unchanged: float
    made: int


def noisy_copies(
    delta: np.ndarray, epsilon: float, trials: int, taps: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return perturbations [trials, leads, samples]: F(delta + noise of epsilon / 2), clipped to +-epsilon."""
    noise = rng.normal(0, epsilon / 2, (trials, *delta.shape))
    return np.clip(smooth((delta + noise).astype(np.float32), taps), -np.float32(epsilon), np.float32(epsilon))


def inside_band(kept: np.ndarray, trials: int, taps: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return perturbations [trials, leads, samples] between the extremes of those kept."""
    low, high = kept.min(axis=0), kept.max(axis=0)
    drawn = rng.uniform(low, high, (trials, *low.shape)).astype(np.float32)
    return np.clip(smooth(drawn, taps), low, high)


def agreements(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the samples at which two perturbations [samples] agree, or before which they cross."""
    apart = left - right
    crossed = np.zeros(len(apart), bool)
    crossed[1:] = apart[1:] * apart[:-1] < 0
    return np.flatnonzero((np.abs(apart) <= AGREEMENT_MV) | crossed)


def concatenations(kept: np.ndarray, form: str, inside: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, bool]]:
    """Yield joined perturbations [leads, samples], and whether each equals one of its parents."""
    within = np.ones(kept.shape[-1], bool) if inside is None else inside[0]
    ends = np.flatnonzero(within)[[0, -1]]  # a joint there is none
    for i in range(min(PARENTS, len(kept))):
        for j in range(min(PARENTS, len(kept))):
            left, right = kept[i], kept[j]
            if i == j:
                continue
            if form == "released":
                points = np.arange(((left[0] == right[0]) & within).sum())
            else:
                points = agreements(left[0], right[0])
                points = points[within[points] & ~np.isin(points, ends)]
            for place in np.unique(np.linspace(0, len(points) - 1, min(CUTS, len(points))).astype(int)):
                joined = left.copy()
                joined[0, points[place] :] = right[0, points[place] :]
                same = any(np.array_equal(joined[0], parent[0]) for parent in (left, right))
                yield joined, same


def recombine(
    models: TargetModels,
    source: AttackedRecords,
    attacked: np.ndarray,
    epsilon: float,
    trials: int,
    rng: np.random.Generator,
) -> tuple[float, dict[tuple[str, str], Recombined]]:
    """Return the kept share, and by (method, form) what one source record yields, against the stack's first network.

    Args:
        source: one record, x [leads, samples] in mV.
        attacked: [leads, samples] in mV; the first network no longer sees the true class in it.
    """
    dataset, x, inside = source.dataset, source.x, source.inside
    taps = smoothing_filter(dataset.sampling_rate)
    kernels = gaussian_kernels(dataset.sampling_rate)
    assert len(kernels) == len(HALF_LENGTHS) * len(WIDTHS)
    form_taps = {"released": np.mean(kernels[: len(WIDTHS)], axis=0), "intended": taps}

    def classes(deltas: np.ndarray) -> np.ndarray:
        return models.logits(standardise(dataset, x + deltas))[0].argmax(axis=1)

    def reset(deltas: np.ndarray) -> np.ndarray:
        return deltas if inside is None else deltas * inside

    wrong = classes((attacked - x)[None])[0]
    copies = reset(noisy_copies(attacked - x, epsilon, trials, taps, rng))
    same_class = classes(copies) == wrong
    kept = copies[same_class]
    found = {}
    for form in FORMS:
        band, joined = np.empty((0, *x.shape), np.float32), []
        if len(kept):
            band = reset(inside_band(kept, trials, form_taps[form], rng))
            joined = list(concatenations(kept, form, inside))
        joins = np.array([delta for delta, _ in joined], np.float32).reshape(-1, *x.shape)
        unchanged = {"band": [False] * len(band), "concatenation": [same for _, same in joined]}
        for method, new in (("band", band), ("concatenation", joins)):
            hits = classes(new) != source.y if len(new) else np.empty(0, bool)
            shares = [float(np.mean(part)) if len(new) else NAN for part in (hits, unchanged[method])]
            found[method, form] = Recombined(*shares, len(new))
    return float(same_class.mean()), found


def recombination_measures(
    models: TargetModels,
    records: AttackedRecords,
    treatment: str,
    attacked: np.ndarray,
    settings: Mapping,
    rng: np.random.Generator,
) -> list[Measure]:
    """Return the measures over source records that `attacked` overturns for the first network.

    Args:
        records: x [s, leads, samples] in mV.
        attacked: [s, leads, samples] in mV.
    """
    epsilon, dataset = settings["reference_epsilon"], records.dataset
    patient = dataset.patient[records.rows]
    results = [
        recombine(models, records.take(i), attacked[i], epsilon, settings["noise_trials"], rng)
        for i in range(len(attacked))
    ]
    found = []

    def add(method: str, measure: str, values: Sequence[float], form: str) -> None:
        held = ~np.isnan(values)
        n, people = int(held.sum()), len(np.unique(patient[held]))
        value = float(np.mean(np.array(values)[held])) if n else NAN
        limits = [float(limit) for limit in clopper_pearson(value * people, people)] if n else [NAN, NAN]
        about = (dataset.name, treatment, f"evasion-{method}", measure)
        group = f"budget={epsilon:g}" + (f",form={form}" if form else "")
        found.append(Measure(*about, value, *limits, n=n, group=group, patients=people))

    for method in ("band", "concatenation"):
        add(method, "kept_share", [share for share, _ in results], "")
        for form in FORMS:
            each = [made[method, form] for _, made in results]
            add(method, "still_misclassified", [one.misclassified for one in each], form)
            add(method, "unchanged_share", [one.unchanged for one in each], form)
            about, group = (dataset.name, treatment, f"evasion-{method}"), f"budget={epsilon:g},form={form}"
            count = float(sum(one.made for one in each)) if each else NAN
            people = len(np.unique(patient))
            found.append(Measure(*about, "new_examples", count, n=len(each), group=group, patients=people))
    return found
