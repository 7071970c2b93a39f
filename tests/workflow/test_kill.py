"""A run whose job is killed without warning resumes and ends with the bytes of an undisturbed one.

That all of a whole run does so, when the run itself is killed, is held by test_run.py.
"""

from collections.abc import Callable

from kills import SAID, killed_and_resumed
from project import Project


def test_a_run_whose_job_is_killed_resumes_to_the_same_bytes(
    fresh: Callable[[str], Project], finished: Project
) -> None:
    project = fresh("killed")
    project.keep_one_bank()
    print(killed_and_resumed(project, "job", 2.4))
    said = (project.folder / SAID).read_text()
    assert "The run stopped, since this failed:" in said and " was killed by SIGKILL, most often by the system" in said
    mine, theirs = project.digests(), finished.digests()
    # A joint family's table has the banks of a whole stage.
    banks = {name for name in mine if not name.startswith(("report/", "attacks/heart/baselines/"))}
    assert banks and all(mine[name] == theirs[name] for name in banks)
    assert "report/index.html" in mine
