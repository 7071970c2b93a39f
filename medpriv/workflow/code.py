"""Which files a script runs: a static walk over its imports, so that an edited module reruns the jobs that use it.

Snakemake tracks a rule's own script, not what the script imports. `code_files` finds the imported files of this project
by reading the source (nothing is imported), and each rule lists them as inputs. Modules that are loaded by name at run
time are invisible to the walk and are given as further patterns.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = "medpriv"
# What looks like an import statement: up to the end of its line, or of the brackets.
_IMPORT = re.compile(
    r"(?:^|[:;])[ \t]*((?:from\b[^\n()#;]*\bimport[ \t]*\([^)]*\))|(?:from|import)\b(?:\\\n|[^\n#;])*)", re.MULTILINE
)


def code_files(root: Path, *patterns: str) -> list[Path]:
    """Return the files that match the patterns and every project file they import, directly or not, sorted.

    Args:
        root: the project's folder, which holds the package.
        patterns: paths or glob patterns relative to the root; a file that is not Python is taken as it is.

    Raises:
        FileNotFoundError: a pattern matches nothing (a script or module was renamed).
    """
    found: set[Path] = set()
    for pattern in patterns:
        matches = sorted(root.glob(pattern))
        if not matches:
            raise FileNotFoundError(f"no file matches {pattern} in {root}")
        for match in matches:
            found |= _reached(root, match)
    return sorted(found)


@cache
def _reached(root: Path, start: Path) -> frozenset[Path]:
    """Return the file and every project file it imports; cycles end at files already seen."""
    seen: set[Path] = set()
    pending = [start]
    while pending:
        file = pending.pop()
        if file not in seen:
            seen.add(file)
            pending.extend(_imports(root, file))
    return frozenset(seen)


@cache
def _imports(root: Path, file: Path) -> tuple[Path, ...]:
    """Return the project files that one file imports, at the top or inside functions, with their packages."""
    if file.suffix != ".py":
        return ()
    names: set[str] = set()
    for node in import_nodes(file.read_text(encoding="utf-8"), str(file)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(root, file, node)
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    names |= {name for name in (_module_name(root, file.parent),) if name.split(".")[0] == PACKAGE}
    return tuple(path for name in sorted(names) for path in _files(root, name))


def import_nodes(text: str, name: str) -> Iterator[ast.AST]:
    """Yield the import statements of a source, among other nodes.

    Only the lines that look like imports are parsed, which takes a tenth of the time; where one of them is part of
    something else, a sentence in a docstring for example, all of the source is.

    Args:
        text: the source.
        name: what an error calls it.
    """
    lines = [line for line in _IMPORT.findall(text) if PACKAGE in line or re.match(r"from\s*\.", line)]
    try:
        return ast.walk(ast.parse("\n".join(lines), name))
    except SyntaxError:
        return ast.walk(ast.parse(text, name))


def _absolute(root: Path, file: Path, node: ast.ImportFrom) -> str:
    """Return the dotted name that a `from` import starts from, with leading dots resolved."""
    if not node.level:
        return node.module or ""
    package = file.parent
    for _ in range(node.level - 1):
        package = package.parent
    return ".".join(part for part in (_module_name(root, package), node.module) if part)


def _module_name(root: Path, folder: Path) -> str:
    return ".".join(folder.relative_to(root).parts)


@cache
def _files(root: Path, name: str) -> list[Path]:
    """Return the files that importing a dotted name runs: each package's `__init__`, and the module if it is one."""
    parts = name.split(".")
    if parts[0] != PACKAGE:
        return []
    packages = [root.joinpath(*parts[: end + 1], "__init__.py") for end in range(len(parts))]
    return [path for path in (*packages, root.joinpath(*parts).with_suffix(".py")) if path.is_file()]
