"""The attacks on single records, all of one release at once: linkability, inference, reconstruction."""

from collections.abc import Mapping

import numpy as np

from medpriv.attacks.disclosure.closeness import distances, nearest
from medpriv.attacks.disclosure.inference import predictors, right, voted
from medpriv.attacks.disclosure.knowledge import Halves
from medpriv.attacks.disclosure.linkability import linked, linked_blindly
from medpriv.synthesis.schema import Schema

LINKABILITY, INFERENCE, RECONSTRUCTION = "linkability", "inference", "reconstruction"
ALL = -1  # in the place of a secret: all together, or none

Success = dict[tuple[str, int], np.ndarray]  # attack and secret -> success about each record, float64 [T]


def attack_records(
    cells: np.ndarray, released: np.ndarray, schema: Schema, halves: Halves, settings: Mapping[str, object]
) -> Success:
    """Return the success of every attack about each record; NaN where there is no secret to be had.

    Args:
        cells: float64 [T, V + 1], the records attacked.
        released: float64 [S, V + 1].
        schema, halves: of the columns.
        settings: `neighbours`, `voters`, `tolerance`.
    """
    weights = np.zeros((2 + len(halves.secrets), len(schema)))
    weights[0, halves.known] = 1 / len(halves.known)
    weights[1, halves.other] = 1 / len(halves.other)
    weights[2:] = predictors(released, schema, halves.secrets)
    hits: Success = {(LINKABILITY, ALL): np.empty(len(cells))}
    for attack in (INFERENCE, RECONSTRUCTION):
        hits |= {(attack, int(secret)): np.empty(len(cells)) for secret in halves.secrets}
    for part, apart in distances(cells, released, schema, weights):
        hits[LINKABILITY, ALL][part] = linked(apart[:2], settings["neighbours"])
        closest = nearest(apart[0], 1)[:, 0]
        for place, secret in enumerate(halves.secrets):
            number = schema.fields[secret].number
            about = (cells[part, secret], number, settings["tolerance"])
            hits[INFERENCE, secret][part] = right(released[closest, secret], *about)
            voters = nearest(apart[2 + place], settings["voters"])
            near = np.take_along_axis(apart[2 + place], voters, axis=1)
            hits[RECONSTRUCTION, secret][part] = right(voted(released[voters, secret], near, number), *about)
    return _with_means(hits, halves)


def attack_blindly(
    cells: np.ndarray,
    released: np.ndarray,
    schema: Schema,
    halves: Halves,
    settings: Mapping[str, object],
    rng: np.random.Generator,
) -> Success:
    """Return the success of who matches at random, and guesses the secret of a random released row."""
    hits: Success = {(LINKABILITY, ALL): np.full(len(cells), linked_blindly(len(released), settings["neighbours"]))}
    for secret in halves.secrets:
        drawn = released[rng.integers(len(released), size=len(cells)), secret]
        guessed = right(drawn, cells[:, secret], schema.fields[secret].number, settings["tolerance"])
        hits |= {(attack, int(secret)): guessed for attack in (INFERENCE, RECONSTRUCTION)}
    return _with_means(hits, halves)


def _with_means(hits: Success, halves: Halves) -> Success:
    """Return the success with that about all secrets of a record that it has, on average."""
    means = {}
    for attack in (INFERENCE, RECONSTRUCTION):
        values = np.stack([hits[attack, int(secret)] for secret in halves.secrets])
        there = ~np.isnan(values)
        mean = np.nan_to_num(values).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
        means[attack, ALL] = np.where(there.any(axis=0), mean, np.nan)
    return hits | means
