"""SDV's synthesizers: tables come back in their form, and the same seed gives the same bytes, whatever ran before."""

import sys

import numpy as np
import pytest
from synthetic_tables import SCHEMA, table

from medpriv.config.synthetic_sdv import SdvCtganSettings
from medpriv.errors import InputError
from medpriv.synthesis.sdv_generators import _quiet, check_batch, synthesise
from medpriv.synthesis.tables import gaps_of

SMALL = {
    "copula": {},
    "ctgan": {"epochs": 2, "batch_size": 20, "pac": 10, "embedding": 8},
    "tvae": {"epochs": 2, "batch_size": 20, "embedding": 8},
}


def made(name, tables, seeds, rows=120):
    """Return what a synthesizer makes of each table."""
    rngs = [np.random.default_rng(seed) for seed in seeds]
    return synthesise(name, tables, SCHEMA, SMALL[name], rngs, [rows] * len(tables)).samples


@pytest.mark.parametrize("name", SMALL)
def test_form_and_bytes(name):
    import torch

    first, second = table(1, 60), table(2, 50)
    first[:, 1] = -1  # a column of gaps alone comes back as it is
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    states = np.random.get_state()[1].copy(), torch.get_rng_state().clone()  # noqa: NPY002
    together = made(name, [first, second], [1, 2])
    assert np.array_equal(states[0], np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(states[1], torch.get_rng_state())

    drawn = together[0]
    assert drawn.shape == (120, len(SCHEMA)) and set(drawn[:, 1]) == {-1} and set(drawn[:, 5]) == {0}
    assert np.isnan(drawn).any(axis=0).tolist() == [False, False, False, True, False, False, False]
    assert abs(gaps_of(drawn, SCHEMA)[:, 3].mean() - np.isnan(first[:, 3]).mean()) < 0.15
    assert np.nanmin(drawn[:, 3]) >= np.nanmin(first[:, 3]) and np.nanmax(drawn[:, 3]) <= np.nanmax(first[:, 3])
    assert np.array_equal(np.round(drawn[:, 2], 1), drawn[:, 2]) and set(drawn[:, 4]) <= {-1, 0, 1, 2}

    np.random.seed(6)  # noqa: NPY002
    torch.manual_seed(6)
    assert made(name, [second], [2])[0].tobytes() == together[1].tobytes()
    assert made(name, [second], [3])[0].tobytes() != together[1].tobytes()


def test_what_sdv_tells_people_at_a_keyboard_is_kept_out_of_a_job(capsys):
    with _quiet():
        print("PerformanceAlert: (Exit this script using ctrl-C)")
        print("Sampling: 100%", file=sys.stderr)
    assert capsys.readouterr() == ("", "")


def test_other_randomness_draws_other_rows_and_other_gaps_from_the_same_table():
    cells = table(1, 60)
    one, other = (made("copula", [cells], [seed])[0] for seed in (1, 2))
    assert not np.array_equal(one[:, 0], other[:, 0])
    assert not np.array_equal(np.isnan(one[:, 3]), np.isnan(other[:, 3]))


def test_a_table_without_two_columns_that_vary_comes_back():
    cells = np.repeat(table(1, 1), 5, axis=0)
    assert np.array_equal(made("copula", [cells], [1], 3)[0], cells[:3], equal_nan=True)


@pytest.mark.parametrize("batch", [25, 15])
def test_a_batch_that_cannot_be_cut_is_refused_before_sdv_is_imported(batch):
    with pytest.raises(InputError, match=r"batch_size: .* Remedy: take a multiple of 10, such as 20"):
        check_batch("ctgan", {"batch_size": batch, "pac": 10})
    with pytest.raises(ValueError, match="can't be cut"):
        SdvCtganSettings(batch_size=batch)


def test_nothing_but_a_fit_imports_sdv():
    import subprocess

    code = "import sys, medpriv.synthesis.sdv_generators; assert not {'sdv', 'torch', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
