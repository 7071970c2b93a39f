"""The search for copies among the images that each replicate of a bank released.

Copies are looked for by learnt features and by pixels (`search`), among members' images and, beside it, among those of
all other training patients: only the difference is memory. Attacks and their measures:

    image-copies-features, image-copies-pixels
        copy_share, copy_share_others, copy_share_difference          of the released images
        copied_patients, copied_patients_others, ..._difference      of the patients on that side, who have a copy
        copy_share_outsiders                                         of the reference's images, which are nobody's copy
        planted_found      near-duplicates of members found, and as whose; by `change=` (`changes`), and all together
    image-filter (`near_filter`), by `space=`
        filter_missed      planted near-duplicates that it lets pass, by `change=`, and all together
        filter_dropped     of the `images=released`, and of the reference's (`images=outsiders`)
        auc, auc_filtered  membership of patients by the closest image in learnt features, before and after

Shares are means over replicates, whose intervals draw patients and replicates; `n` counts images (`copied_patients`:
patients), the mean over replicates.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from medpriv.attacks.image_copies.changes import CHANGES, change
from medpriv.attacks.image_copies.exemplars import Exemplars, fit_once
from medpriv.attacks.image_copies.near_filter import Embedding, NearFilter, pixels
from medpriv.attacks.image_copies.search import Nearest, Search, by_features, by_pixels, features_once
from medpriv.attacks.image_release.audit import released_images
from medpriv.attacks.image_release.spaces import Space
from medpriv.attacks.membership.scored import mean_areas, score_attacks
from medpriv.attacks.membership.scores import scores_of_patients
from medpriv.attacks.release.audit import Bench, choose_records, sizes
from medpriv.attacks.release.contenders import PLAINLY, STATISTICS
from medpriv.attacks.release.released import Asked
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.measures.findings import Findings, Rows
from medpriv.measures.intervals import auc_interval, rate_interval
from medpriv.measures.table import Measure
from medpriv.pictures import png_text

FEATURES, PIXELS = "features", "pixels"
FILTER = "image-filter"
EXAMPLES = 8  # released images that are shown
EXAMPLE_COLUMNS = ("replicate", "place", "kind", "similarity", "limit", "patient", "png")

Planted = Sequence[tuple[np.ndarray, Mapping[str, np.ndarray]]]  # of each replicate: which known ones, images by change


def audit(dataset: Dataset, bank: Bank, settings: Mapping[str, object], seed: int) -> Findings:
    """Look for copies of members among every replicate's images, and try what a filter does about them.

    Args:
        dataset: of images.
        bank: K >= 2 replicates with samples `x` uint8 [S, C, H, W]; as many are searched as a replicate was fitted to.
        settings: of `medpriv.config.image_copies.ImageCopiesSettings`.
        seed: the root seed; draws depend on it and the dataset's name alone, so treatments are compared on the same.

    Returns:
        Measures, and the table `examples`, empty of a credentialed dataset: some released images of the first
        replicate, each with the most similar image of a member and of the reference, by learnt features.

    Raises:
        InputError: as of `medpriv.attacks.image_release.audit`.
    """
    bench = _set_up(dataset, bank, settings, seed)
    known, reference = np.split(bench.asked.cells, [bench.asked.reference.start])
    network = fit_once(reference.tobytes(), reference.shape, seed, dataset.name)
    searches = {
        name: Search.calibrated(similarity, known, bench.frame.members, bench.frame.patient)
        for name, similarity in (
            (FEATURES, features_once(known, reference, seed, dataset.name)),
            (PIXELS, by_pixels(known)),
        )
    }
    planted = _planted(bench, known)
    measures = [
        row
        for name, search in searches.items()
        for row in _searched(bench, search, planted, reference, f"image-copies-{name}")
    ]
    measures += [
        row
        for space, embed in ((PIXELS, pixels), (FEATURES, network.features))
        for row in _filtered(bench, searches[FEATURES], embed, planted, space)
    ]
    measures.append(_measured_area(bench, searches[FEATURES], bench.attacked, "auc", "level=patient"))
    examples = [] if dataset.credentialed else list(_examples(dataset, bench, searches[FEATURES], network))
    return Findings(measures, {"examples": Rows(EXAMPLE_COLUMNS, examples)})


def _set_up(dataset: Dataset, bank: Bank, settings: Mapping[str, object], seed: int) -> Bench:
    """Return what is searched and searched for; arguments and errors as of `audit`."""
    dataset.require("image", reason="a search for copies among synthetic images")
    bank.check(dataset)
    released = [released_images(dataset, bank, place) for place in range(len(bank))]
    frame, rows, outside = choose_records(dataset, bank, settings, seed)
    asked = Asked(Space.of(pixels, dataset.x[rows[-outside:]]), dataset.x[rows], dataset.patient[rows], outside)
    return Bench(bank, frame, asked, released, sizes(dataset, bank), settings, seed)


def _planted(bench: Bench, known: np.ndarray) -> Planted:
    """Return near-duplicates of some members' images of every replicate, as many by each change."""
    found = []
    for replicate, own in zip(bench.bank.replicates, bench.frame.members, strict=True):
        rng = bench.rng("copies", "planted", replicate)
        chosen = rng.permutation(np.flatnonzero(own))[: bench.settings["planted"]]
        found.append((chosen, {kind: change(known[chosen], kind, rng) for kind in CHANGES}))
    return found


def _searched(bench: Bench, search: Search, planted: Planted, reference: np.ndarray, attack: str) -> Iterator[Measure]:
    """Yield what one search finds."""
    about, released = (*bench.about, attack), bench.attacked
    sides = search.sides[:, :, _first_images(bench)]  # [2, K, P]
    copies = np.array([_by_patient(bench, search.copies(x, place)) for place, x in enumerate(released)]).swapaxes(0, 1)
    size = np.array([len(x) for x in released])[:, None]
    named = (("copy_share", "copy_share_others"), ("copied_patients", "copied_patients_others"))
    for measure, other in named:
        pair = []
        for name, own, inside in zip((measure, other), copies, sides, strict=True):
            if measure == "copy_share":
                counted, of = own, inside * size / np.maximum(inside.sum(axis=1, keepdims=True), 1)
            else:
                counted, of = own > 0, inside
            pair.append(_share(bench, (*about, name), counted, of, inside.sum(axis=1).mean(), ""))
        yield from (*pair, _difference(*pair, f"{measure}_difference"))
    mistaken = [next(search.copies(reference, place))[1].mean() for place in range(len(bench.bank))]
    share = float(np.mean(mistaken))
    yield Measure(*about, "copy_share_outsiders", share, n=len(reference), patients=_outsiders(bench))
    found = []
    for place, (chosen, images) in enumerate(planted):
        for each in images.values():
            whose, is_copy = next(search.copies(each, place))
            found.append(is_copy & (whose == bench.frame.patient[chosen]))
    yield from _by_change(bench, (*about, "planted_found"), planted, found, "")


def _filtered(bench: Bench, search: Search, embed: Embedding, planted: Planted, space: str) -> Iterator[Measure]:
    """Yield what a filter in one space does; the search is what finds members in what is left."""
    about = (*bench.about, FILTER)
    known, reference = np.split(bench.asked.cells, [bench.asked.reference.start])
    filters = [NearFilter.of(embed, known[own], reference) for own in bench.frame.members]
    passed = [~own.drops(each) for own, (_, images) in zip(filters, planted, strict=True) for each in images.values()]
    yield from _by_change(bench, (*about, "filter_missed"), planted, passed, f"space={space}")
    kept = [x[~own.drops(x)] for own, x in zip(filters, bench.attacked, strict=True)]
    dropped = {
        "released": [1 - len(left) / len(x) for left, x in zip(kept, bench.attacked, strict=True)],
        "outsiders": [own.drops(reference).mean() for own in filters],
    }
    counts = {
        "released": (round(bench.size.mean()), int(bench.frame.members[:, _first_images(bench)].any(axis=0).sum())),
        "outsiders": (len(reference), _outsiders(bench)),
    }
    for images, shares in dropped.items():
        n, people = counts[images]
        group = f"space={space},images={images}"
        yield Measure(*about, "filter_dropped", float(np.mean(shares)), n=n, group=group, patients=people)
    yield _measured_area(bench, search, kept, "auc_filtered", f"space={space},level=patient")


def _by_change(
    bench: Bench, about: tuple[str, ...], planted: Planted, hits: Sequence[np.ndarray], group: str
) -> Iterator[Measure]:
    """Yield shares of the planted images that are hit, by change and all together; `hits` go by replicate, change."""
    patients = len(bench.frame.patients)
    whose = [bench.frame.patient[chosen] for chosen, _ in planted]
    of = np.array([np.bincount(each, minlength=patients) for each in whose])
    people = (of > 0).any(axis=0).sum()
    counted = np.array(
        [
            np.bincount(own, hit, patients)
            for own, hit in zip((own for own in whose for _ in CHANGES), hits, strict=True)
        ]
    ).reshape(len(planted), len(CHANGES), patients)
    for index, kind in enumerate(CHANGES):
        own = ",".join(filter(None, (group, f"change={kind}")))
        yield _share(bench, about, counted[:, index], of, people, own)
    yield _share(bench, about, counted.sum(axis=1), of * len(CHANGES), people, group)


def _share(
    bench: Bench, about: tuple[str, ...], hits: np.ndarray, of: np.ndarray, people: float, group: str
) -> Measure:
    """Return the mean over replicates of sum(hits) / sum(of), [K, P], which rests on so many people."""
    draws = bench.draws
    rates = np.minimum(draws.over_replicates(draws.rates(hits, of, np.arange(hits.shape[1]))), 1)
    limits = rate_interval(float(rates[0]), rates[1:], float(people))
    counted = {"n": round(of.sum(axis=1).mean()), "patients": int(people), "group": group}
    return Measure(*about, float(rates[0]), *limits, **counted)


def _difference(own: Measure, other: Measure, name: str) -> Measure:
    """Return own - other, whose limits follow from those of both (MOVER, Zou and Donner 2008).

    They are as if both were independent. Shares on both sides rest on the same people, in turns, and so the interval
    errs on the safe side; where nobody is copied, draws would all be 0 and say nothing.
    """
    value = own.value - other.value
    below = np.hypot(own.value - own.lower, other.upper - other.value)
    above = np.hypot(own.upper - own.value, other.value - other.lower)
    limits = (float(max(value - below, -1.0)), float(min(value + above, 1.0)))
    people = min(own.patients, other.patients)
    return Measure(own.dataset, own.treatment, own.attack, name, value, *limits, n=own.n, patients=people)


def _by_patient(bench: Bench, copies: Iterator[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return how many images are copies of each patient's, int [2, P]: of members', of others'."""
    return np.array([np.bincount(whose[found], minlength=len(bench.frame.patients)) for whose, found in copies])


def _first_images(bench: Bench) -> np.ndarray:
    """Return where each patient's first image stands, int [P]."""
    return np.unique(bench.frame.patient, return_index=True)[1]


def _outsiders(bench: Bench) -> int:
    """Return how many people the reference has."""
    return len(np.unique(bench.asked.patient[bench.asked.reference]))


def _measured_area(bench: Bench, search: Search, released: Sequence[np.ndarray], measure: str, group: str) -> Measure:
    """Return the AUC of membership of patients by how alike the closest released image is.

    Who released nothing told nothing: all are equally close.
    """
    nothing = np.zeros(len(search.patient))
    value = np.stack([search.similarity(x).max(axis=0) if len(x) else nothing for x in released]).astype(np.float64)
    units = scores_of_patients(bench.scores(value))
    (scored,) = score_attacks({PLAINLY: STATISTICS[PLAINLY]}, "patient", units)
    areas, (inside, outside) = mean_areas(scored, bench.draws), scored.people()
    limits = auc_interval(float(areas[0]), areas[1:], inside, outside)
    counted = {"n": int(outside), "patients": int(outside), "group": group}
    return Measure(*bench.about, FILTER, measure, float(areas[0]), *limits, **counted)


def _examples(dataset: Dataset, bench: Bench, search: Search, network: Exemplars) -> Iterator[Mapping[str, object]]:
    """Yield released images of the first replicate at fixed places, each with the nearest member's and stranger's."""
    released, inside = bench.attacked[0], bench.asked.reference.start
    places = np.unique(np.linspace(0, len(released) - 1, EXAMPLES).astype(int))
    reference = bench.asked.cells[inside:]
    members = Nearest.among(search.similarity(released[places]), search.sides[0, 0])
    strangers = Nearest.among(by_features(network, reference)(released[places]), np.ones(len(reference), bool))
    shown = {"synthetic": None, "member": (members, 0), "reference": (strangers, inside)}
    for index, place in enumerate(places):
        about = {"replicate": int(bench.bank.replicates[0]), "place": int(place)}
        for kind, found in shown.items():
            if found is None:
                row = {"similarity": "", "limit": "", "patient": "", "png": png_text(released[place])}
            else:
                nearest, first = found
                at = first + nearest.place[index]
                row = {"similarity": float(nearest.value[index]), "limit": search.limit}
                row |= {"patient": dataset.patients[bench.asked.patient[at]], "png": png_text(bench.asked.cells[at])}
            yield {**about, "kind": kind, **row}
