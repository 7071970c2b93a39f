"""The minimum is scikit-learn's, and better than it where that stops early."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from medpriv.attacks.regression import fit_logistic


@pytest.mark.parametrize(("classes", "penalty"), [(2, 1.0), (2, 10.0), (4, 10.0)])
@pytest.mark.parametrize("balanced", [False, True])
def test_coefficients_and_probabilities_equal_scikit_learns(classes, penalty, balanced):
    rng = np.random.default_rng(0)
    y = rng.integers(0, classes, 200) * (rng.random(200) < 0.7)  # class 0 is the commonest
    x = rng.normal(size=(200, 5)) + y[:, None] * rng.normal(size=5)
    weight = (200 / classes / np.bincount(y))[y] if balanced else None
    options = {"C": 1 / penalty, "tol": 1e-10, "max_iter": 10000, "class_weight": "balanced" if balanced else None}
    theirs = LogisticRegression(**options).fit(x, y)
    ours = fit_logistic(x, y, penalty, weight)
    np.testing.assert_allclose(np.exp(ours.log_probability(x)), theirs.predict_proba(x), atol=1e-6)
    coefficients = ours.beta[1:] if classes == 2 else ours.beta
    np.testing.assert_allclose(coefficients[:, :-1], theirs.coef_, atol=1e-5)


def test_separated_classes_have_a_minimum_all_the_same():
    x = np.array([[-1e3], [-2.0], [2.0], [1e3]])
    found = fit_logistic(x, np.array([0, 0, 1, 1]), 1e-3)
    assert np.isfinite(found.beta).all() and found.logits(x).argmax(axis=1).tolist() == [0, 0, 1, 1]
