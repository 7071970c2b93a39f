"""Scores of records beside a release: each equal to a slow reference, which goes record by record."""

import numpy as np
import pytest
from scipy import stats

from medpriv.attacks.membership.from_samples import NEAR
from medpriv.attacks.regression import fit_logistic
from medpriv.attacks.release import density, discriminators, distance_check, nearest, released, scores
from medpriv.attacks.release.features import Encoding, gower_distances, squared_distances
from medpriv.attacks.release.queries import QUARTERS, Queries
from medpriv.attacks.release.released import Asked, Beside
from medpriv.measures.roc import auc
from medpriv.synthesis.schema import Field, Schema

SCHEMA = Schema(
    (Field("age"), Field("sugar"), Field("sex", ("f", "m")), Field("stage", ("1", "2", "3")), Field("y", ("no", "yes")))
)
CANDIDATES, OUTSIDE, RELEASED = 24, 30, 40


def draw_cells(rows: int, rng: np.random.Generator) -> np.ndarray:
    """Return cells, a tenth of the sugar and of the stages missing."""
    cells = np.column_stack(
        [rng.normal(50, 10, rows), rng.exponential(2, rows), *(rng.integers(k, size=rows) for k in (2, 3, 2))]
    )
    cells[rng.random(rows) < 0.1, 1] = np.nan
    cells[rng.random(rows) < 0.1, 3] = -1
    return cells


@pytest.fixture
def beside() -> Beside:
    """Return a release beside records and a reference whose people have two rows each."""
    rng = np.random.default_rng(3)
    cells, made = draw_cells(CANDIDATES + OUTSIDE, rng), draw_cells(RELEASED, rng)
    made[0] = cells[2]  # a copy
    patient = np.concatenate([np.arange(CANDIDATES), 100 + np.arange(OUTSIDE) // 2])
    return Beside(Asked(Encoding.of(SCHEMA, cells[CANDIDATES:], [cells, made]), cells, patient, OUTSIDE), made)


def by_record(beside: Beside):
    """Yield each record with the released rows and its reference, float64 features: the patient's own rows left out."""
    asked = beside.asked
    x, made = asked.x.astype(float), beside.x.astype(float)
    for own, patient in zip(x, asked.patient, strict=True):
        kept = asked.patient[asked.reference] != patient
        yield own, made, x[asked.reference][kept]


def away(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.sort(np.linalg.norm(others - one, axis=1))


def log_kernels(one: np.ndarray, others: np.ndarray, h: float) -> np.ndarray:
    return -np.square(others - one).sum(axis=1) / (2 * h**2)


def slow(name: str, beside: Beside) -> np.ndarray:
    h, found = beside.asked.bandwidth, []
    everyone = list(by_record(beside))
    reach = np.median([away(own, made)[0] for own, made, _ in everyone[CANDIDATES:]]) + NEAR
    for own, made, reference in everyone:
        near, usual = away(own, made), away(own, reference)
        if name == "dcr":
            found.append(-np.log(near[0] + NEAR))
        elif name == "dcr-difference":
            found.append(usual[0] - near[0])
        elif name == "adversarial":
            row = np.linalg.norm(made - own, axis=1).argmin()
            spacing = away(made[row], np.delete(made, row, axis=0))[0]
            margins = (usual[0] + NEAR) / (near[0] + NEAR), (spacing + NEAR) / (near[0] + NEAR)
            found.append(np.log(margins).mean())
        elif name == "monte-carlo":
            found.append(np.maximum(np.log(reach / (near + NEAR)), 0).mean())
        elif name == "dpi":
            both = sorted([(d, 1) for d in near] + [(d, 0) for d in usual])[:20]
            count = sum(side for _, side in both)
            found.append(np.log((count + 0.5) / (20 - count + 0.5)))
        elif name == "local-density":
            found.append(np.log((usual[4] + NEAR) / (near[4] + NEAR)))
        elif name == "domias":
            densities = [np.exp(log_kernels(own, rows, h)).mean() for rows in (made, reference)]
            found.append(np.log(densities[0] / densities[1]))
        elif name == "gen-lra":  # refits the density of the reference with the record among it
            rows = made[np.argsort(np.linalg.norm(made - own, axis=1))[: density.NEAREST]]
            total = 0.0
            for row in rows:
                without, with_it = (
                    np.exp(log_kernels(row, each, h)).mean() for each in (reference, np.vstack([reference, own]))
                )
                total += np.log(with_it) - np.log(without)
            found.append(total)
    return np.array(found)


@pytest.mark.parametrize("name", [name for name in scores.PLAIN if name not in ("classifier", "logan")])
def test_scores_equal_slow_references(beside, name):
    np.testing.assert_allclose(scores.PLAIN[name](beside), slow(name, beside), rtol=2e-4, atol=2e-4)


def test_gen_lra_of_the_nearest_rows_alone(beside, monkeypatch):
    monkeypatch.setattr(density, "NEAREST", 7)
    np.testing.assert_allclose(density.gen_lra(beside), slow("gen-lra", beside), rtol=2e-4, atol=2e-4)


def test_gen_lra_where_one_person_is_all_of_the_reference_near_a_row(beside):
    cells = beside.cells.copy()
    cells[:2] = beside.asked.cells[-1]  # the reference's last person stands where nobody else does
    cells[:2, 0] = beside.asked.cells[-2:, 0] = 400.0
    same = Asked(beside.asked.encoding, beside.asked.cells, beside.asked.patient, OUTSIDE)
    own = Beside(same, cells)
    np.testing.assert_allclose(density.gen_lra(own), slow("gen-lra", own), rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("name", sorted(scores.PLAIN))
def test_scores_do_not_depend_on_how_many_records_go_at_once(beside, name, monkeypatch):
    whole = scores.PLAIN[name](beside)
    monkeypatch.setattr(released, "_ELEMENTS", 100)
    again = Beside(Asked(beside.asked.encoding, beside.asked.cells, beside.asked.patient, OUTSIDE), beside.cells)
    np.testing.assert_allclose(scores.PLAIN[name](again), whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "penalty"), [("classifier", discriminators.RIDGE), ("logan", discriminators.WEAK_RIDGE)]
)
def test_discriminators_judge_records_as_a_fit_and_people_of_the_reference_nearly_as_a_refit_without_them(
    beside, name, penalty, monkeypatch
):
    monkeypatch.setattr(discriminators, "UNITS", 6)  # a network that does not fit 70 rows exactly
    monkeypatch.setattr(discriminators, "WEAK_RIDGE", 1.0)
    penalty = min(penalty, 1.0) if name == "classifier" else 1.0
    held = {}
    monkeypatch.setattr(discriminators, "fit_logistic", lambda x, y, p: held.update(x=x, y=y) or fit_logistic(x, y, p))
    found, x, y = scores.PLAIN[name](beside), held.get("x"), held["y"]
    everyone = fit_logistic(x, y, penalty)
    inside = beside.asked.patient[beside.asked.reference]
    for row in range(OUTSIDE):
        left = np.ones(len(x), bool)
        left[:OUTSIDE] = inside != inside[row]
        refit = fit_logistic(x[left], y[left], penalty).logits(x[row : row + 1])[0, 1]
        in_sample = everyone.logits(x[row : row + 1])[0, 1]
        assert found[CANDIDATES + row] == pytest.approx(refit, abs=0.05 + 0.35 * abs(refit - in_sample))
    if name == "classifier":
        np.testing.assert_allclose(
            found[:CANDIDATES], everyone.logits(beside.asked.x[:CANDIDATES].astype(float))[:, 1], rtol=1e-6
        )


def test_marginal_queries_equal_counting_row_by_row(beside):
    asked = beside.asked
    queries = Queries.draw(asked, 15, np.random.default_rng(0))
    found = queries.score(beside.cells)
    cuts = {place: np.nanquantile(asked.cells[asked.reference, place], QUARTERS) for place in (0, 1)}

    def value(cells: np.ndarray, place: int) -> float:
        if np.isnan(cells[place]) or place > 1:
            return -1 if np.isnan(cells[place]) else cells[place]
        return (cells[place] >= cuts[place]).sum()

    for record in (0, 2, 5, CANDIDATES, CANDIDATES + 7):
        kept = asked.cells[asked.reference][asked.patient[asked.reference] != asked.patient[record]]
        ratios = []
        for columns in queries.columns:
            shares = []
            for rows in (beside.cells, kept):
                agree = [all(value(row, c) == value(asked.cells[record], c) for c in columns) for row in rows]
                shares.append((sum(agree) + 0.5) / (len(rows) + 1))
            ratios.append(np.log(shares[0] / shares[1]))
        assert found[record] == pytest.approx(np.mean(ratios), rel=1e-9)


def test_distances_are_those_of_the_definition(beside):
    asked, made = beside.asked, beside.cells
    encoding = asked.encoding
    squares = squared_distances(asked.x, beside.x)
    gaps = encoding.gaps[SCHEMA.numbers]
    gower = gower_distances(
        (encoding.shares(asked.cells), encoding.shares(made)),
        (encoding.states(asked.cells), encoding.states(made)),
        gaps,
    )
    known = asked.cells[asked.reference]
    means, deviations, spans = (
        np.nanmean(known, axis=0),
        np.nanstd(known, axis=0),
        np.ptp(np.nan_to_num(known, nan=np.nanmean(known[:, 1])), axis=0),
    )
    least = np.nanmin(known, axis=0)
    for i in range(0, len(asked.cells), 3):
        for j in range(len(made)):
            a, b = asked.cells[i], made[j]
            expected, parts = 0.0, []
            for place in range(5):
                if place > 1:
                    expected += 2.0 * (a[place] != b[place])
                    parts.append(float(a[place] != b[place]))
                    continue
                za, zb = (
                    (np.nan_to_num(v[place], nan=means[place]) - means[place]) / deviations[place] for v in (a, b)
                )
                lacks = np.isnan(a[place]), np.isnan(b[place])
                expected += (za - zb) ** 2 + 2.0 * (lacks[0] != lacks[1])
                sa, sb = (np.clip((v[place] - least[place]) / spans[place], 0, 1) for v in (a, b))
                parts.append(0.0 if all(lacks) else 1.0 if any(lacks) else abs(sa - sb))
            assert squares[i, j] == pytest.approx(expected, abs=1e-3)
            assert gower[i, j] == pytest.approx(np.mean(parts), abs=1e-5)


def test_features_are_fitted_to_the_reference_alone():
    rng = np.random.default_rng(0)
    reference, members = draw_cells(40, rng), draw_cells(30, rng)
    moved = members.copy()
    moved[:, :2] *= 1000
    first, second = (Encoding.of(SCHEMA, reference, [each]) for each in (members, moved))
    np.testing.assert_array_equal(first.encode(reference), second.encode(reference))


def test_a_number_that_does_not_vary_and_one_that_is_missing_everywhere_are_no_fault():
    rng = np.random.default_rng(0)
    reference, others = draw_cells(20, rng), draw_cells(10, rng)
    reference[:, 0], reference[:, 1] = 5.0, np.nan
    encoding = Encoding.of(SCHEMA, reference, [others])
    assert np.isfinite(encoding.encode(others)).all() and np.isfinite(encoding.shares(others)).all()


def test_a_copy_is_at_no_distance_though_products_lose_digits(beside):
    assert nearest.dcr(beside)[2] == pytest.approx(-np.log(NEAR))


def test_two_levels_are_as_far_apart_as_two_numbers_are_on_average():
    rng = np.random.default_rng(1)
    cells = draw_cells(4000, rng)
    x = Encoding.of(SCHEMA, cells, []).encode(cells)
    first, second = x[:2000], x[2000:]
    assert np.square(first[:, 0] - second[:, 0]).mean() == pytest.approx(2, abs=0.15)
    differ = cells[:2000, 2] != cells[2000:, 2]
    sexes = np.square(first - second)[:, 3:5].sum(axis=1)
    assert set(sexes[differ]) == {2.0} and set(sexes[~differ]) == {0.0}


def test_gan_leaks_compares_with_the_other_releases(beside):
    rng = np.random.default_rng(2)
    tables = [beside.cells, *(draw_cells(RELEASED, rng) for _ in range(2))]
    told = scores.read_releases(beside.asked, tables, 5, rng)
    near = np.array([-nearest.dcr(Beside(beside.asked, cells)) for cells in tables])
    np.testing.assert_allclose(told.scores["gan-leaks"][0], near[1:].mean(axis=0) - near[0], atol=1e-6)
    assert told.everything().shape[:2] == told.ensemble().shape[:2] == (3, CANDIDATES + OUTSIDE)


def test_scores_stand_a_single_released_row_and_a_small_reference(beside):
    few = Asked(beside.asked.encoding, beside.asked.cells[:-26], beside.asked.patient[:-26], 4)
    for name, score in scores.PLAIN.items():
        assert np.isfinite(score(Beside(few, beside.cells[:1]))).all(), name


def test_domias_finds_whom_a_generator_copies():
    rng = np.random.default_rng(5)
    cells = draw_cells(300, rng)
    asked = Asked(Encoding.of(SCHEMA, cells[200:], [cells]), cells, np.arange(300), 100)
    found = density.domias(Beside(asked, cells[:100]))[:200]
    assert auc(found, np.arange(200) < 100) > 0.7


def test_the_check_of_distances_refuses_copies_and_lets_strangers_pass():
    rng = np.random.default_rng(0)

    def people() -> np.ndarray:
        return rng.normal(size=(200, 3)).astype(np.float32)

    members, reference = people(), people()
    assert not distance_check.passes(members[rng.integers(200, size=200)], members, reference).any()
    assert np.mean([distance_check.passes(people(), people(), people()) for _ in range(60)], axis=0).min() > 0.85
    some = np.concatenate([members[:20], people()[:180]])
    assert distance_check.passes(some, members, reference).tolist() == [False, True]  # the median doesn't see them


def test_the_bandwidth_is_that_of_scipys_silverman(beside):
    x = beside.asked.x[beside.asked.reference].astype(float)
    same = np.random.default_rng(0).normal(size=x.shape)  # of full rank, as scipy asks
    factor = stats.gaussian_kde(same.T, "silverman").factor
    assert beside.asked.bandwidth == pytest.approx(np.sqrt(x.var(axis=0).mean()) * factor, rel=1e-5)
