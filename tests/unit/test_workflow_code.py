"""The static walk over imports finds what Python would load, on a small made-up project."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from medpriv.workflow.code import code_files, import_nodes

ROOT = Path(__file__).resolve().parents[2]
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


ODD = (
    "import medpriv.a; from medpriv import b",
    "from medpriv import (b,  # a comment with (brackets)\n    c)",
    "if True: from . import d\nfrom .. import \\\n    e\ntry: import medpriv.f\nexcept ImportError: pass",
    '"""Words,\nfrom medpriv.\nimport medpriv of goods."""\nimport medpriv.g as h',
)


def imports(nodes: Iterator[ast.AST]) -> set[tuple[str, str]]:
    """Return what import statements among the nodes take from this package: from where, what."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            base = "." * node.level + (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            found |= {(base, alias.name) for alias in node.names}
    return {(base, name) for base, name in found if base.startswith(".") or "medpriv" in (base or name)}


def test_parsing_what_looks_like_imports_finds_what_parsing_all_of_a_source_finds() -> None:
    sources = [file.read_text() for folder in ("medpriv", "scripts") for file in (ROOT / folder).rglob("*.py")]
    assert all(imports(import_nodes(text, "")) == imports(ast.walk(ast.parse(text))) for text in (*sources, *ODD))
    assert all(map(len, (imports(import_nodes(text, "")) for text in ODD)))
