"""The static walk over imports finds what Python would load, on a small made-up project."""

from pathlib import Path

import pytest

from medpriv.workflow.code import code_files

FILES = {
    "scripts/go.py": "from medpriv.a import f\nimport numpy\n",
    "medpriv/__init__.py": "",
    "medpriv/a.py": "def f():\n    from medpriv.deep.b import g\n    return g\n",
    "medpriv/deep/__init__.py": "from . import c\n",
    "medpriv/deep/b.py": "from ..a import f\n",
    "medpriv/deep/c.py": "import medpriv.d as d\n",
    "medpriv/d.py": "",
    "medpriv/unused.py": "",
    "medpriv/page.html": "",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with imports inside functions, relative imports, a cycle, and a file nobody imports."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def names(project: Path, *patterns: str) -> list[str]:
    return [file.relative_to(project).as_posix() for file in code_files(project, *patterns)]


def test_imports_are_followed_through_functions_packages_relative_names_and_cycles(project: Path) -> None:
    assert names(project, "scripts/go.py") == sorted(set(FILES) - {"medpriv/unused.py", "medpriv/page.html"})


def test_further_patterns_add_files_that_are_loaded_by_name_or_are_no_python(project: Path) -> None:
    assert names(project, "medpriv/d.py", "medpriv/*.html") == [
        "medpriv/__init__.py",
        "medpriv/d.py",
        "medpriv/page.html",
    ]


def test_a_pattern_without_a_match_is_an_error(project: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"scripts/gone\.py"):
        code_files(project, "scripts/gone.py")
