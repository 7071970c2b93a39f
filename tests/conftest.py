"""Tests compute on one thread, as the workflow's jobs do; set before any numerical library is imported."""

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
