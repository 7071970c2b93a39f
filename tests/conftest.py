"""Tests compute on one thread, as the workflow's jobs do; set before any numerical library is imported.

`make test` hands the files to two processes, one file after another in the order below.
"""

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import pytest

# The long files first: the short ones then fill up the end. Flower's needs no finished run, which is made meanwhile.
LONG = ("test_run.py", "test_flower.py", "test_dvc.py", "test_replans.py", "test_errors.py", "test_secrets.py")
LONG += ("test_slurm.py", "test_kill.py", "test_new_stages.py", "test_code.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))
