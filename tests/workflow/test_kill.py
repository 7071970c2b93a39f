"""A run that is killed without warning resumes and ends with the bytes of an undisturbed one."""

import random
from collections.abc import Callable

import pytest
from kills import killed_and_resumed
from project import Project


@pytest.mark.parametrize("seed", [5, 8], ids=["a job", "the run"])
def test_a_killed_run_resumes_to_the_same_bytes(fresh: Callable[[str], Project], finished: Project, seed: int) -> None:
    project = fresh("killed")
    print(killed_and_resumed(project, random.Random(seed)))
    assert project.digests() == finished.digests()
