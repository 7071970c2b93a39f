"""Labels that never leave the clients, from the gradients that do (U-shaped split learning).

The server is honest but curious. For every record it gets d loss / d features = W^T (p - y) times a positive weight:
with two classes the records of one pull one way and those of the other the opposite way (direction; Li et al. 2022),
and the rarer class, which the network gets wrong more often, pulls harder (norm). The server sorts the gradients of an
epoch into as many heaps as there are classes. A few records of each class, known from an accomplice, name the heaps;
these are not scored.
"""

import numpy as np

from medpriv.attacks.split_server.context import SplitAttackContext
from medpriv.attacks.split_server.scores import ReconstructionScorer
from medpriv.measures.table import Measure
from medpriv.split.topologies import Watch
from medpriv.treatments.split import train_replicates

ROUNDS = 50  # of sorting, at most
TINY = 1e-12


def infer_labels(scorer: ReconstructionScorer, known: int) -> list[Measure]:
    """Train the replicates again, look at the first and the last epoch, and return how many labels come out.

    Args:
        known: records of each class and replicate whose labels the server has.
    """
    measures = []
    for moment, (rows, slopes) in _watch_epochs(scorer.context).items():
        truth, classes = scorer.context.dataset.y[rows], len(scorer.context.dataset.classes)
        public = np.stack([_first_of_each(labels, classes, known) for labels in truth])
        scored = np.stack([~np.isin(own, own[shown]) for own, shown in zip(rows, public, strict=True)])
        for name, features in (("direction", _directions(slopes)), ("norm", _norms(slopes))):
            heaps = [sort_heaps(own, classes) for own in features]
            told = np.stack([name_heaps(*some) for some in zip(heaps, truth, public, strict=True)])
            measures += _figures(scorer, f"labels-{name}", rows, told, scored, f"moment={moment}")
    return measures


def _first_of_each(labels: np.ndarray, classes: int, count: int) -> np.ndarray:
    """Return bool [n]: the first `count` records of each class."""
    chosen = np.zeros(len(labels), bool)
    for cls in range(classes):
        chosen[np.flatnonzero(labels == cls)[:count]] = True
    return chosen


def _watch_epochs(context: SplitAttackContext) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the records int [R, n] of the first and the last epoch and the gradients returned for them [R, n, F]."""
    plan, seen = context.split.plan, {"first": ([], []), "last": ([], [])}
    last = (plan.epochs - 1) * plan.updates

    def watch(view: Watch) -> None:
        for moment, inside in (("first", view.update < plan.updates), ("last", view.update >= last)):
            if inside:
                seen[moment][0].append(view.rows.numpy().copy())
                seen[moment][1].append(view.returned.numpy().copy())

    found = {moment: [] for moment in seen}
    for index, number in enumerate(context.replicates):
        train_replicates(
            context.dataset, context.split, context.members[index : index + 1], [number], context.seed, watch
        )
        for moment, (rows, slopes) in seen.items():
            found[moment].append((np.concatenate(rows, 1)[0], np.concatenate(slopes, 1)[0]))
            rows.clear()
            slopes.clear()
    return {moment: tuple(np.stack(part) for part in zip(*pairs, strict=True)) for moment, pairs in found.items()}


def _directions(slopes: np.ndarray) -> np.ndarray:
    """Return the gradients [R, n, F] at unit length."""
    return slopes / np.maximum(np.linalg.norm(slopes, axis=-1, keepdims=True), TINY)


def _norms(slopes: np.ndarray) -> np.ndarray:
    """Return the logarithms of the gradients' norms, [R, n, 1]."""
    return np.log(np.maximum(np.linalg.norm(slopes, axis=-1, keepdims=True), TINY))


def sort_heaps(values: np.ndarray, heaps: int) -> np.ndarray:
    """Return the heap 0..heaps-1 of each of n values [n, F]: k-means from values far apart.

    The first centre is the value farthest from the mean, each further one the farthest from those before.
    """
    distance = np.square(values - values.mean(0)).sum(-1)
    centres = []
    for _ in range(heaps):
        centres.append(values[distance.argmax()])
        distance = np.min([np.square(values - centre).sum(-1) for centre in centres], axis=0)
    centres = np.array(centres)
    heap = np.full(len(values), -1)
    for _ in range(ROUNDS):
        moved = np.square(values[:, None] - centres).sum(-1).argmin(1)
        if (moved == heap).all():
            break
        heap = moved
        centres = np.stack([values[heap == k].mean(0) if (heap == k).any() else centres[k] for k in range(heaps)])
    return heap


def name_heaps(heap: np.ndarray, labels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return labels for heaps [n]: what most of a heap's known records are, or of all known; `known` is bool [n]."""
    named = np.empty_like(heap)
    for number in np.unique(heap):
        inside = known & (heap == number)
        named[heap == number] = np.bincount(labels[inside if inside.any() else known]).argmax()
    return named


def _figures(
    scorer: ReconstructionScorer, attack: str, rows: np.ndarray, told: np.ndarray, scored: np.ndarray, group: str
) -> list[Measure]:
    """Return accuracy, that of naming the most frequent class, and the mean accuracy of the classes that are scored."""
    truth, classes = scorer.context.dataset.y[rows], len(scorer.context.dataset.classes)
    of_class = (truth[..., None] == np.arange(classes)) & scored[..., None]  # [R, n, C]
    right = of_class & (told == truth)[..., None]
    whole, part = scorer.totals(of_class, rows), scorer.totals(right, rows)
    with np.errstate(invalid="ignore"):  # a draw without any record that is scored has no value
        figures = {
            "accuracy": part.sum(1) / whole.sum(1),
            "accuracy_majority": whole[:, whole[0].argmax()] / whole.sum(1),
            "balanced_accuracy": (part / np.maximum(whole, 1)).sum(1) / (whole > 0).sum(1),
        }
    return [scorer.rate(attack, name, drawn, group, rows[scored]) for name, drawn in figures.items()]
