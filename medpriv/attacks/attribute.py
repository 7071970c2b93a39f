"""Attribute inference: does a model tell a hidden feature of the people it was trained on?

The attacker knows a person's record but for one variable, and the class y; asks the target once with each value v that
the variable may have, x_v; and guesses one. They hold people of their own: the test patients, and those of the shadow
models' members who are not the one asked about.

    confidence   argmax_v  log p(v) + log p(y | x_v), p(v) the shares among the attacker's people (Fredrikson et al.
                 2014; the same decision as Yeom et al. 2018)
    lira         argmax_v  u(x_v) = (phi(x_v) - mu_out(x_v)) / s_out: the value with which the target knows the record
                 unusually well, beside shadow models that never saw the patient (after Carlini et al. 2022)
    imputer      argmax_v  log q(v), no target: q is a logistic regression on the other features and y, fitted to the
                 attacker's people
    combined     argmax_v  log q(v) + d u(x_v): does the model add to imputing (Jayaraman and Evans 2022)? d u is, but
                 for a constant, the log likelihood ratio of a shift by d, the mean u of the shadows' own members

A model that has learnt medicine helps to guess anybody's feature, members' and others', and so does the imputer. What
membership gives away is the *member advantage*: accuracy about members minus accuracy about others. Every patient is a
member of about half of the targets, so the two are taken for each patient and compared within them: who is easy to
guess does not matter. Numbers are guessed to a quantile bin, asked by the bin's median.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medpriv.attacks.regression import fit_logistic
from medpriv.bank.bank import QUERY, Bank
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.measures.findings import Findings
from medpriv.measures.intervals import rate_interval, stretched_interval
from medpriv.measures.logits import log_probability, true_class_logit
from medpriv.measures.table import NAN, Measure
from medpriv.seeds import generator

ATTACKS = ("confidence", "lira", "combined")


@dataclass(frozen=True)
class Variable:
    """What is to be guessed.

    Attributes:
        name: a feature, or the variable of one-hot features.
        places: int [parts], its features.
        values: float32 [V, parts], what is asked with, in the dataset's units.
        truth: int64 [N], the index of each record's value (of a number: its bin).
    """

    name: str
    places: np.ndarray
    values: np.ndarray
    truth: np.ndarray


def audit(dataset: Dataset, bank: Bank, settings: Mapping[str, object], seed: int) -> Findings:
    """Guess variables of training patients by every replicate of the bank.

    Groups: `feature=<name>`, and none for all variables together. Measures: `accuracy_members`, `accuracy_others`,
    `member_advantage`, `over_imputer` (accuracy about members minus the imputer's), and the imputer's `accuracy`.
    They are means over patients, whom intervals draw; `n` and `patients` count those that some targets saw and others
    didn't (of the imputer's accuracy: all who are asked about).

    A bank that can't be asked (trees keep no model; a network's weights alone don't give the predictions, where
    every site has its own or noise is added) gets the imputer's accuracy, and empty values for the attacks.

    Args:
        dataset: a table that the bank was trained on.
        bank: K >= 2 replicates.
        settings: of `medpriv.config.attribute.AttributeSettings`.
        seed: the root seed; it decides who is asked about.

    Raises:
        InputError: the dataset is no table, or a variable named in the settings is not there or can't be guessed.
    """
    members = bank.record_members(dataset)
    chosen = choose_variables(dataset, settings)
    rows = _rows(dataset, settings["records"], generator(seed, dataset.name, "attribute", "records"))
    rng = generator(seed, dataset.name, "attribute", "bootstrap")
    weights = PatientBootstrap.draw(rng, len(rows), settings["bootstraps"]).patients
    inside = members[:, rows]
    imputers = {one.name: impute(dataset, one, rows) for one in chosen}
    imputed = {one.name: imputers[one.name].argmax(axis=1) == one.truth[rows] for one in chosen}
    guesses = guess_all(dataset, bank, chosen, rows, imputers) if bank.can(QUERY) else {}
    imputed[""] = np.mean(list(imputed.values()), axis=0)
    measures = []
    for attack in ATTACKS:
        about = (dataset.name, bank.treatment, f"attribute-{attack}")
        hits = {one.name: guesses[attack, one.name] == one.truth[rows] for one in chosen} if guesses else {}
        if hits:
            hits[""] = np.mean(list(hits.values()), axis=0)
        for name, blind in imputed.items():
            measures += _measured(about, _group(name), hits.get(name), blind, inside, weights)
    about = (dataset.name, bank.treatment, "attribute-imputer")
    for name, blind in imputed.items():
        drawn = weights @ blind / len(rows)
        value, limits = float(drawn[0]), rate_interval(float(drawn[0]), drawn[1:], len(rows))
        counted = {"n": len(rows), "patients": len(rows)}  # one record each
        measures.append(Measure(*about, "accuracy", value, *limits, group=_group(name), **counted))
    return Findings(measures)


def _group(variable: str) -> str:
    """Return the group of a variable's figures; all together have none."""
    return f"feature={variable}" if variable else ""


def choose_variables(dataset: Dataset, settings: Mapping[str, object]) -> list[Variable]:
    """Return the variables named in the settings, or `most` of the dataset's: half of them codes, if it has as many."""
    dataset.require("table", reason="attribute inference")
    places, named = dataset.records.variables, settings["features"].get(dataset.name, [])
    if unknown := [name for name in named if name not in places]:
        raise InputError(
            f"no variable {unknown[0]}",
            file=f"dataset {dataset.name}",
            place=f"attacks.attribute.features.{dataset.name}",
            remedy=f"name one of {', '.join(places)}",
        )
    measured = dataset.records.numbers
    codes, first = [name for name in places if name not in measured], settings["most"] // 2
    order = named or [*codes[:first], *measured, *codes[first:]]
    found: list[Variable] = []
    for name in order:
        bins = settings["bins"] if name in measured else 0
        one = _variable(dataset, name, np.array(places[name]), bins)
        fits = 2 <= len(one.values) <= max(settings["levels"], bins)
        if named and not fits:
            raise InputError(
                f"{name} has {len(one.values)} values",
                file=f"dataset {dataset.name}",
                place=f"attacks.attribute.features.{dataset.name}",
                remedy=f"name variables of 2 to {settings['levels']} values, or raise attacks.attribute.levels",
            )
        if fits:
            found.append(one)
        if not named and len(found) == settings["most"]:
            break
    if not found:
        raise InputError(
            "no variable can be guessed: none has two values or more",
            file=f"dataset {dataset.name}",
            remedy="leave the attribute attack out for this dataset",
        )
    return found


def _variable(dataset: Dataset, name: str, places: np.ndarray, bins: int) -> Variable:
    """Return a code with all values that occur, or a number cut into bins of the attacker's people."""
    table = dataset.records
    return Variable(name, places, *(table.bins(name, dataset.rows(TEST), bins) if bins else table.values(name)))


def _rows(dataset: Dataset, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return one record each of some training patients, int [n], in the dataset's order."""
    order = rng.permutation(np.flatnonzero(dataset.rows(TRAIN)))
    _, first = np.unique(dataset.patient[order], return_index=True)
    return np.sort(rng.permutation(order[first])[:most])


def _ask(dataset: Dataset, bank: Bank, x: np.ndarray) -> np.ndarray:
    """Return every replicate's logits [K, n, C] for x [n, F] in the dataset's units."""
    from medpriv.bank import engine
    from medpriv.models.catalogue import network_of

    network = network_of(dataset, bank.spec)
    return engine.logits(network, bank.weights, ((x - dataset.centre) / dataset.scale).astype(np.float32))


def guess_all(
    dataset: Dataset, bank: Bank, chosen: list[Variable], rows: np.ndarray, imputers: Mapping[str, np.ndarray]
) -> dict[tuple[str, str], np.ndarray]:
    """Return attack and variable -> guesses int [K, n], indices into the variable's values.

    Args:
        rows: int [n], the records asked about.
        imputers: variable -> log q float64 [n, V], of `impute`.
    """
    inside = bank.record_members(dataset)[:, rows]
    guesses = {}
    for one in chosen:
        count = len(one.values)
        asked = np.repeat(dataset.x[rows], count, axis=0)  # [n V, F]
        asked[:, one.places] = np.tile(one.values, (len(rows), 1))
        phi = true_class_logit(_ask(dataset, bank, asked), np.repeat(dataset.y[rows], count))
        phi = phi.reshape(len(phi), len(rows), count)
        known = np.bincount(one.truth[dataset.rows(TEST)], minlength=count) + 1
        prior = np.log(known / known.sum())
        unusual, shift = surprise(phi, inside, one.truth[rows])
        guesses["confidence", one.name] = (log_probability(phi) + prior).argmax(axis=-1)
        guesses["lira", one.name] = (unusual + 1e-9 * prior).argmax(axis=-1)  # without shadows the prior decides
        guesses["combined", one.name] = (imputers[one.name] + shift * unusual).argmax(axis=-1)
    return guesses


def surprise(phi: np.ndarray, inside: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return u = (phi - mu_out) / s_out [K, n, V] of every target, and d [K, n, 1], the shift that its shadows show.

    A target's shadows are the other replicates. mu_out is the mean over those that did not see the patient, s_out one
    deviation from it for all questions; d is the mean u of the shadows on their own members' true values, at least 0,
    the patient in question left out. The target's own membership enters nowhere.

    Args:
        phi: float64 [K, n, V], on all values.
        inside: bool [K, n], who saw the patient.
        truth: int [n], the index of the true value, which the attacker knows of the shadows' other people.

    Returns:
        u is 0 where no shadow is without the patient.
    """
    out, own = ~inside[..., None].astype(bool), inside.astype(float)
    apart = phi - phi.mean(axis=0)  # keeps the difference of squares free of cancellation
    count = out.sum(axis=0) - out.astype(float)  # without the target itself, [K, n, 1]
    total, squares = ((out * apart**power).sum(axis=0) - out * apart**power for power in (1, 2))
    mean = total / np.maximum(count, 1)
    spread = np.where(count > 1, squares - count * mean**2, 0).sum(axis=(1, 2), keepdims=True)
    freedom = phi.shape[2] * np.maximum(count - 1, 0).sum(axis=(1, 2), keepdims=True)
    deviation = np.sqrt(np.where(freedom > 0, np.maximum(spread, 1e-12) / np.maximum(freedom, 1), 1.0))
    unusual = np.where(count > 0, (apart - mean) / deviation, 0.0)
    true_apart, true_mean = (np.take_along_axis(held, truth[None, :, None], axis=2)[..., 0] for held in (apart, mean))
    members = (own.sum(axis=0) - own) * (count[..., 0] > 0)  # shadows that saw the patient, [K, n]
    above = ((own * true_apart).sum(axis=0) - own * true_apart) * (count[..., 0] > 0) - members * true_mean
    others, above_others = (held.sum(axis=1, keepdims=True) - held for held in (members, above))  # all but the patient
    shift = above_others / np.maximum(others, 1)
    return unusual, np.maximum(shift[..., None] / deviation, 0.0)


def impute(dataset: Dataset, one: Variable, rows: np.ndarray) -> np.ndarray:
    """Return log q float64 [n, V] by a logistic regression fitted to the test patients, without any target model."""
    own = dataset.rows(TEST)
    others = np.delete(dataset.standardised(), one.places, axis=1).astype(np.float64)
    known = np.column_stack([others, np.eye(len(dataset.classes))[dataset.y]])
    q = np.full((len(rows), len(one.values)), 1 / (own.sum() + len(one.values)))  # where nobody has the value
    seen, label = np.unique(one.truth[own], return_inverse=True)
    if len(seen) == 1:
        q[:, seen] = 1
    else:
        fitted = fit_logistic(known[own], label, penalty=10.0)
        q[:, seen] = np.maximum(np.exp(fitted.log_probability(known[rows])), 1e-12)
    return np.log(q)


def _measured(
    about: tuple[str, str, str],
    group: str,
    right: np.ndarray | None,
    blind: np.ndarray,
    inside: np.ndarray,
    weights: np.ndarray,
) -> list[Measure]:
    """Return the measures of one attack; `right` [K, n] shares of hits (None: not asked), `blind` [n] the imputer's."""
    names = ("accuracy_members", "accuracy_others", "member_advantage", "over_imputer")
    seen = inside.sum(axis=0)
    both = (seen > 0) & (seen < len(inside))
    if right is None or not both.any():
        return [Measure(*about, name, NAN, n=0, group=group) for name in names]
    in_ = (right * inside).sum(axis=0)[both] / seen[both]
    out = (right * ~inside).sum(axis=0)[both] / (len(inside) - seen[both])
    by_patient = np.column_stack([in_, out, in_ - out, in_ - blind[both]])
    drawn = weights[:, both]
    with np.errstate(invalid="ignore"):  # a draw may hold none of a few patients
        means = drawn @ by_patient / drawn.sum(axis=1, keepdims=True)
    n, found = int(both.sum()), []
    for name, draws in zip(names, means.T, strict=True):
        value, rest = float(draws[0]), draws[1:]
        limits = (rate_interval if name.startswith("accuracy") else stretched_interval)(value, rest, n)
        found.append(Measure(*about, name, value, *limits, n=n, group=group, patients=n))
    return found
