"""Singling out, linkability, inference: the reference's figures, known answers, and nothing where nothing leaks."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from disclosure_tables import COLUMNS, KNOWN, LEVELS, ROWS, SECRETS, tables
from synthetic_tables import SCHEMA, bank_of_samples, dataset, table

from medpriv.attacks.disclosure import closeness, inference, singling_out
from medpriv.attacks.disclosure.audit import audit, released_rows
from medpriv.attacks.disclosure.knowledge import Halves, halve
from medpriv.attacks.disclosure.linkability import linked_blindly
from medpriv.attacks.disclosure.records import (
    ALL,
    INFERENCE,
    LINKABILITY,
    RECONSTRUCTION,
    attack_blindly,
    attack_records,
)
from medpriv.attacks.disclosure.success import memorised, rate_figure, risk_figure, wilson
from medpriv.bank.draw import Draw
from medpriv.config.disclosure import DisclosureSettings
from medpriv.config.synthetic_simple import OutlierCopiesSettings
from medpriv.errors import InputError
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.records.tables import Column, Table
from medpriv.synthesis import bootstrap, marginals, outlier_copies
from medpriv.synthesis.schema import Field, Schema, cells_of

REFERENCE = json.loads(Path(__file__).with_name("disclosure_reference.json").read_text())["attacks"]
FIXED = Schema(tuple(Field(name, LEVELS.get(name, ())) for name in COLUMNS))
SETTINGS = DisclosureSettings(replicates=8, predicates=60, bootstraps=100).model_dump()
EACH = ("singling-out-univariate", "singling-out-multivariate", "linkability", "inference", "reconstruction")


def bank_by(module, data, seed=0, replicates=8, redrawn=False, settings=None):
    """Return a bank of a generator; `redrawn`: with other members than it was made from."""
    draw = Draw(range(replicates), replicates, seed)
    members = draw.members(data)
    held = [cells_of(data, rows) for rows in members[:, data.patient]]
    rngs = draw.rngs(data.name, "synthetic-toy")
    samples = module.synthesise(held, Schema.of(data), settings or {}, rngs, [len(cells) for cells in held]).samples
    if redrawn:
        members = Draw(range(replicates), replicates, seed + 1000).members(data)
    return bank_of_samples(data, members, samples)


def found(data, bank, settings=SETTINGS, seed=1):
    """Return (attack, measure, group) -> measure."""
    made = audit(data, bank, settings, seed).measures
    return {(one.attack.removeprefix("disclosure-"), one.measure, one.group): one for one in made}


# The reference implementation's figures on the same tables.


def close(rate, n, told):
    """Assert that a rate is inside the reference's interval, which is about Wilson's centre."""
    assert abs(wilson(rate, n)[0] - told["value"]) <= told["error"]


@pytest.mark.parametrize("mode", ["univariate", "multivariate"])
def test_singling_out_succeeds_as_often_as_the_reference(mode):
    held, person, rng = tables(), np.arange(ROWS), np.random.default_rng(0)
    told, released = REFERENCE[f"singling-out-{mode}"], held["released"]
    width = 1 if mode == "univariate" else 3
    made = (
        singling_out.univariate(released, FIXED, 500, rng)
        if width == 1
        else singling_out.multivariate(released, FIXED, width, 1500, rng)
    )
    assert len(made) >= told["n"]  # of one column there are just as many
    for side in ("members", "control"):
        close((singling_out.isolated(made, held[side], person) >= 0).mean(), told["n"], told[side])
    blind = singling_out.naive(released, FIXED, width, 2000, rng)
    close((singling_out.isolated(blind, held["members"], person) >= 0).mean(), told["n"], told["naive"])


@pytest.mark.parametrize("neighbours", [1, 5])
def test_linkability_and_inference_succeed_as_often_as_the_reference(neighbours):
    held, rng = tables(), np.random.default_rng(0)
    known, secrets = (np.array([COLUMNS.index(name) for name in names]) for names in (KNOWN, SECRETS))
    settings = {"neighbours": neighbours, "voters": 5, "tolerance": 0.05}
    halves = Halves(known, secrets, secrets)
    sides = {
        side: attack_records(held[side], held["released"], FIXED, halves, settings) for side in ("members", "control")
    }
    often = np.tile(held["members"], (10, 1))  # since the naive attack is drawn
    blind = attack_blindly(often, held["released"], FIXED, halves, settings, rng)
    names = {f"linkability-{neighbours}": (LINKABILITY, ALL)}
    names |= {f"inference-{name}": (INFERENCE, COLUMNS.index(name)) for name in SECRETS}
    for name, key in names.items():
        told = REFERENCE[name]
        rates = {side: float(np.mean(hits[key])) for side, hits in sides.items()}
        for side, rate in rates.items():
            close(rate, ROWS, told[side])
        close(float(blind[key].mean()), ROWS, told["naive"])
        risk = risk_figure(rates["members"], rates["control"], ROWS, ROWS)
        assert told["risk"]["lower"] <= risk[0] <= told["risk"]["upper"]


def test_all_other_columns_known_tell_more_than_some():
    held = tables()
    known, secrets = (np.array([COLUMNS.index(name) for name in names]) for names in (KNOWN, SECRETS))
    settings = {"neighbours": 1, "voters": 5, "tolerance": 0.05}
    hits = attack_records(held["members"], held["released"], FIXED, Halves(known, secrets, secrets), settings)
    assert hits[RECONSTRUCTION, ALL].mean() > hits[INFERENCE, ALL].mean()


# Figures.


def test_wilson_and_risk_have_their_known_values():
    centre, reach = wilson(0.5, 100)
    assert centre == 0.5 and reach == pytest.approx(0.0962, abs=1e-4)
    assert rate_figure(0.0, 10)[1:] == pytest.approx((0, 0.2775), abs=1e-4)
    value, lower, upper = risk_figure(0.6, 0.2, 400, 400)
    assert value == pytest.approx(0.5) and 0.42 < lower < 0.45 and 0.55 < upper < 0.58
    assert risk_figure(0.2, 0.6, 400, 400)[0] == 0  # as published, cut at nothing
    assert np.isnan(risk_figure(1.0, 1.0, 10, 10)[0]) and np.isnan(risk_figure(float("nan"), 0, 0, 5)[0])


def test_memorisation_is_what_membership_adds_and_not_who_is_easy():
    rng = np.random.default_rng(0)
    inside = rng.random((16, 60)) < 0.5
    draws = PatientBootstrap.draw(rng, 60, 200, 16)
    easy = np.tile(rng.random(60) < 0.5, (16, 1)).astype(float)
    figure, n = memorised(easy, inside, draws)
    assert n == 60 and figure[0] == pytest.approx(0, abs=1e-6)
    figure, _ = memorised(np.where(inside, 1.0, easy), inside, draws)
    assert figure[0] == pytest.approx(1 - easy[0].mean()) and figure[1] > 0
    figure, n = memorised(np.where(np.arange(60) < 20, np.nan, easy), inside, draws)
    assert n == 40


# Parts, against slow references.


def test_distances_are_gowers_of_a_slow_loop():
    cells, released = table(1, 12), table(2, 9)
    weights = np.random.default_rng(0).random((2, len(SCHEMA)))
    apart = np.empty((2, 12, 9))
    for part, held in closeness.distances(cells, released, SCHEMA, weights):
        apart[:, part] = held
    for row, own in enumerate(cells):
        for other, drawn in enumerate(released):
            each = []
            for place, field in enumerate(SCHEMA.fields):
                one, two, column = own[place], drawn[place], released[:, place]
                if not field.number:
                    each.append(float(one != two))
                elif np.isnan(one) or np.isnan(two):
                    each.append(float(np.isnan(one) != np.isnan(two)))
                else:
                    each.append(min(1, abs(one - two) / (np.nanmax(column) - np.nanmin(column))))
            assert np.allclose(apart[:, row, other], weights @ each, atol=1e-5)


def test_records_in_parts_are_the_same(monkeypatch):
    cells, released, weights = table(1, 30), table(2, 20), np.ones((1, len(SCHEMA)))
    ((_, whole),) = closeness.distances(cells, released, SCHEMA, weights)
    monkeypatch.setattr(closeness, "_ELEMENTS", 7 * 20 * 4)
    parts = [held for _, held in closeness.distances(cells, released, SCHEMA, weights)]
    assert len(parts) > 3 and np.allclose(np.concatenate(parts, axis=1), whole)


def test_nearest_are_nearest_first():
    apart = np.random.default_rng(0).random((20, 30))
    for count in (1, 4, 50):
        assert np.array_equal(closeness.nearest(apart, count), np.argsort(apart, axis=1)[:, :count])


@pytest.mark.parametrize("kind", ["univariate", "multivariate"])
def test_every_predicate_isolates_one_released_row_and_none_comes_twice(kind):
    released, rng = table(3, 80), np.random.default_rng(0)
    made = (
        singling_out.univariate(released, SCHEMA, 40, rng)
        if kind == "univariate"
        else singling_out.multivariate(released, SCHEMA, 3, 40, rng)
    )
    assert 10 < len(made) <= 40
    assert (made.hold(released).sum(axis=0) == 1).all()
    told = {tuple(row) for row in np.column_stack([made.columns, made.operators, made.values])}
    assert len(told) == len(made)
    assert made.columns.shape[1] == (1 if kind == "univariate" else 3)
    assert all(len(set(row)) == len(row) for row in made.columns)


def test_predicates_hold_as_they_say():
    cells = np.array([[1.0, np.nan], [2.0, 5.0], [3.0, 7.0]])
    made = singling_out.Predicates(
        np.array([[0, 1], [0, 1], [0, 1], [0, 1]]),
        np.array(
            [
                [singling_out.MOST, singling_out.LEAST],
                [singling_out.LEAST, singling_out.GAP],
                [singling_out.IS_NOT, singling_out.NO_GAP],
                [singling_out.IS, singling_out.IS_NOT],
            ]
        ),
        np.array([[2.0, 5.0], [3.0, 0.0], [3.0, 0.0], [3.0, 5.0]]),
    )
    expected = [[False, True, False, False], [True, False, True, False], [False, False, False, True]]
    assert made.hold(cells).tolist() == [list(row) for row in expected]


def test_several_rows_of_one_person_are_one_person():
    cells = np.array([[1.0], [1.0], [2.0], [3.0], [3.0]])
    person = np.array([4, 4, 7, 7, 9])
    made = singling_out.Predicates(
        np.zeros((3, 1), int), np.full((3, 1), singling_out.IS), np.array([[1.0], [2.0], [3.0]])
    )
    assert singling_out.isolated(made, cells, person).tolist() == [4, 7, -1]


def test_the_nearest_outvote_the_others_and_gaps_do_not_vote():
    apart = np.array([[0.0, 0.2, 0.2, 0.2], [0.3, 0.3, 0.3, 0.3]])
    values = np.array([[1.0, 2, 2, 2], [-1, -1, -1, 0]])
    assert inference.voted(values, apart, number=False).tolist() == [1, 0]
    numbers = np.array([[10.0, 20, 30, 40], [np.nan, 5, 6, 7]])
    assert inference.voted(numbers, apart, number=True).tolist() == [10, 6]
    assert np.isnan(inference.voted(np.full((1, 2), np.nan), apart[:1, :2], number=True)).all()


def test_a_missing_secret_cannot_be_guessed_and_a_number_within_its_share():
    hits = inference.right(np.array([1.0, 0, -1, 2]), np.array([1.0, 1, -1, -1]), False, 0.05)
    assert np.array_equal(hits, [1, 0, np.nan, np.nan], equal_nan=True)
    hits = inference.right(np.array([104, 106, np.nan, 0.0]), np.array([100.0, 100, 100, np.nan]), True, 0.05)
    assert np.array_equal(hits, [1, 0, 0, np.nan], equal_nan=True)


def test_the_column_that_tells_the_secret_weighs_most():
    rng = np.random.default_rng(0)
    cells = table(4, 400)
    cells[:, 2] = 2 * cells[:, 1] + 0.1 * rng.random(400)  # dose by sex
    weights = inference.predictors(cells, SCHEMA, np.array([1]))[0]
    assert weights.sum() == pytest.approx(1) and weights[1] == 0 and weights.argmax() == 2
    assert (np.delete(weights, 1) > 0).all()
    assert np.allclose(
        np.delete(inference.predictors(cells, SCHEMA, np.array([5]))[0], 5), 1 / 6
    )  # a constant tells nothing


def test_blind_links_are_as_frequent_as_draws_say():
    rng, hits = np.random.default_rng(0), []
    for _ in range(4000):
        first, second = (set(rng.choice(20, 3, replace=False)) for _ in range(2))
        hits.append(bool(first & second))
    assert linked_blindly(20, 3) == pytest.approx(np.mean(hits), abs=0.03)
    assert linked_blindly(20, 1) == pytest.approx(1 / 20) and linked_blindly(2, 5) == 1


# The whole audit.


def test_copies_are_found_by_all_attacks():
    data = dataset()
    figures = found(data, bank_by(bootstrap, data))
    for attack in EACH:
        assert figures[attack, "memorisation", ""].lower > 0
        assert figures[attack, "risk", ""].lower > 0
        members, naive = (figures[attack, f"success_{side}", ""].value for side in ("members", "naive"))
        assert members > naive


def test_copies_of_few_people_with_many_columns_are_found_though_luck_isolates_nearly_everybody():
    data, wide = dataset(0, 48), 60
    raw = np.hstack([data.records.raw, np.random.default_rng(5).standard_normal((48, wide)).round(2)])
    columns = (*data.records.columns, *(Column(f"number {place}", fill=0.0) for place in range(wide)))
    scaling = np.zeros(len(columns), np.float32), np.ones(len(columns), np.float32)
    data = replace(data, records=Table(columns, raw, *scaling))
    figures = found(data, bank_by(bootstrap, data), SETTINGS | {"predicates": 200})
    for attack in EACH[:2]:
        assert figures[attack, "memorisation", ""].value > 0.1
        assert figures[attack, "success_members", ""].value > figures[attack, "success_control", ""].value + 0.4


def test_a_few_copied_outliers_are_found():
    data, settings = dataset(), OutlierCopiesSettings(share=0.1).model_dump()
    figures = found(
        data, bank_by(outlier_copies, data, settings=settings, replicates=16), SETTINGS | {"replicates": 16}
    )
    assert figures["linkability", "memorisation", ""].lower > 0
    assert figures["reconstruction", "memorisation", ""].lower > 0


def test_nothing_is_found_of_independent_marginals_or_of_shuffled_members():
    data, above, values = dataset(), 0, {attack: [] for attack in EACH}
    for seed in range(6):
        for module, redrawn in ((marginals, False), (bootstrap, True)):
            figures = found(data, bank_by(module, data, seed, redrawn=redrawn), seed=seed)
            for attack in EACH:
                memory = figures[attack, "memorisation", ""]
                above += not memory.lower <= 0 <= memory.upper
                above += figures[attack, "risk", ""].lower > 0
                values[attack].append(memory.value)
    assert above <= 3  # of 120
    assert all(abs(np.mean(each)) < 0.03 for each in values.values())


def test_only_the_first_rows_count_and_replicates_in_another_order_change_nothing():
    data = dataset(rows=2)
    bank = bank_by(bootstrap, data)
    counts = [int(rows.sum()) for rows in bank.record_members(data)]
    samples = [released_rows(data, bank, place, count) for place, count in enumerate(counts)]
    plain = found(data, bank)
    longer = bank_of_samples(data, bank.members, [np.concatenate([cells, table(7, 50)]) for cells in samples])
    assert repr(found(data, longer)) == repr(plain)
    turned = bank_of_samples(data, bank.members[::-1], samples[::-1])
    turned = replace(turned, about=replace(turned.about, replicates=bank.about.replicates[::-1]))
    for key, one in found(data, turned).items():
        assert one.value == pytest.approx(plain[key].value, abs=1e-6, nan_ok=True)


def test_columns_without_values_and_constant_ones_have_no_figure_or_a_plain_one():
    data = dataset()
    raw = data.records.raw.copy()
    raw[:, 3], raw[:, 1] = np.nan, 1
    raw[data.patient % 4 == 3, 4] = 3  # a level that only test patients have
    data = replace(data, records=replace(data.records, raw=raw))
    settings = DisclosureSettings(
        replicates=8, predicates=20, bootstraps=20, known={"toy": ["age", "dose"]}, sensitive={"toy": ["lab", "sex"]}
    )
    figures = found(data, bank_by(bootstrap, data), settings.model_dump())
    empty = figures["inference", "success_members", "secret=lab"]
    assert np.isnan(empty.value) and empty.n == 0
    assert figures["inference", "success_members", "secret=sex"].value == 1
    assert np.isnan(figures["inference", "risk", "secret=sex"].value)  # the control leaves nothing


def test_the_outcome_is_guessed_first_and_is_never_known_unless_named():
    data = dataset()
    halves = halve(data, SCHEMA, SETTINGS)
    assert halves.known.tolist() == [0, 2, 4] and halves.other.tolist() == [1, 3, 5, 6]
    assert halves.secrets.tolist() == [6, 1, 3]  # the ward is the same of all
    halves = halve(data, SCHEMA, SETTINGS | {"known": {"toy": ["outcome", "sex"]}, "most": 2})
    assert halves.known.tolist() == [1, 6] and halves.secrets.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"known": {"toy": ["height"]}}, "no column height"),
        ({"known": {"toy": ["age"]}, "sensitive": {"toy": ["age"]}}, "age is known, and can't be guessed"),
        ({"known": {"toy": [field.name for field in SCHEMA.fields]}}, "no column can be guessed"),
        (
            {"known": {"toy": [field.name for field in SCHEMA.fields if field.name != "ward"]}},
            "no column can be guessed",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, told):
    with pytest.raises(InputError, match=f"dataset toy, attacks.disclosure.*: {told}"):
        halve(dataset(), SCHEMA, SETTINGS | settings)


def test_banks_without_enough_rows_are_refused():
    data = dataset()
    members = Draw(range(4), 4, 0).members(data)
    with pytest.raises(InputError, match=r"replicate 0 released \[10, 6\] where 60 rows of 6 columns belong"):
        audit(data, bank_of_samples(data, members, [table(1, 10)] * 4), SETTINGS, 0)
    with pytest.raises(InputError, match="released none"):
        audit(data, replace(bank_of_samples(data, members, [table(1, 60)] * 4), outputs=None), SETTINGS, 0)
