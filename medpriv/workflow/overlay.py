"""The config's files: read with every fault named by its line, before Snakemake lays one over the other.

Snakemake reads them too, but takes the last of two equal keys, and says of a fault neither file nor line.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from medpriv.errors import InputError
from medpriv.files import read_text

_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_NOT_DECIMAL = re.compile(r"[-+]?0[0-7_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?", re.ASCII)


def read_config(file: Path) -> dict[str, Any]:
    """Return what a config file says; an empty file says nothing.

    Raises:
        InputError: the file cannot be read, is not UTF-8 or not YAML, has a key twice or one that YAML takes for true
            or false, a number that it does not take for a decimal one, or is no mapping; with the line.
    """
    text = read_text(file)
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_twins(tree, file)
        _refuse_misread(tree, file)
        content = yaml.safe_load(text)
    except InputError:
        raise
    except yaml.YAMLError as error:
        raise _as_input_error(error, text, file) from None
    except (
        ValueError,
        KeyError,
        AttributeError,
        TypeError,
        RecursionError,
    ) as error:  # a tag that lies, endless levels
        raise InputError(f"not YAML ({error})", file=file, remedy="write it as config/tiny.yaml is written") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(
            "no keys at the top level", file=file, remedy="begin it with a key such as `datasets:` (docs/config.md)"
        )
    return content


def _refuse_twins(tree: yaml.Node | None, file: Path) -> None:
    """Raise an InputError that names both lines of the first key that stands twice in one mapping."""
    for mapping in _nodes(tree, set()):
        if not isinstance(mapping, yaml.MappingNode):
            continue
        lines: dict[tuple[str, str], int] = {}
        for key, _ in mapping.value:
            name, line = (key.tag, str(key.value)), key.start_mark.line + 1
            if name in lines:
                where = f"in lines {lines[name]} and {line}" if lines[name] != line else "in this line"
                raise InputError(
                    f"the key `{key.value}` stands twice, {where}, and one would replace the other",
                    file=file,
                    place=f"line {line}",
                    remedy="join what stands under both",
                )
            lines[name] = line


def _refuse_misread(tree: yaml.Node | None, file: Path) -> None:
    """Raise an InputError for what YAML reads other than as it looks: `on:` is true, `010` is 8, `1:30` is 90."""
    for node in _nodes(tree, set()):
        keys = [key for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
        for key in keys:
            if key.tag == "tag:yaml.org,2002:bool":
                raise _misread(key, file, "put it in quotes, if it is a name")
        if node.tag in _NUMBERS and _NOT_DECIMAL.fullmatch(node.value):
            raise _misread(
                node, file, "write a decimal number, without a 0 before it or `:` in it, or put it in quotes"
            )


def _misread(node: yaml.Node, file: Path, remedy: str) -> InputError:
    found = str(yaml.SafeLoader("").construct_object(node)).lower()
    place = f"line {node.start_mark.line + 1}"
    return InputError(f"YAML reads `{node.value}` as {found}", file=file, place=place, remedy=remedy)


def _nodes(node: yaml.Node | None, seen: set[int]) -> Iterator[yaml.Node]:
    """Yield every node of a document, each once, whatever aliases point at it."""
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    yield node
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _nodes(key, seen)
            yield from _nodes(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _nodes(value, seen)


def _as_input_error(error: yaml.YAMLError, text: str, file: Path) -> InputError:
    """Return YAML's own error with its line; a tab is named as one."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    lines = text.split("\n")
    line = mark.line if mark and mark.line < len(lines) else None
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position)
    place = "" if line is None else f"line {line + 1}"
    if line is not None and "\t" in lines[line]:
        return InputError("a tab", file=file, place=place, remedy="indent by blanks, as YAML wants")
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).partition("\n")[0]
    return InputError(
        f"not YAML ({problem})", file=file, place=place, remedy="look at that line's brackets, quotes and indentation"
    )


def unknown_nulls(layers: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return one line for each dataset that an overlay takes away (null) though no config below it has it.

    Args:
        layers: what the configs say, the lowest first; that one may hold nulls of its own.
    """
    known: list[str] = []
    faults = []
    for depth, layer in enumerate(layers):
        datasets = layer.get("datasets")
        named = datasets if isinstance(datasets, Mapping) else {}
        if not depth:
            known = list(map(str, named))
        for name in [name for name, section in named.items() if section is None and name not in known]:
            near = get_close_matches(str(name), known, n=1)
            remedy = f"did you mean `{near[0]}`?" if near else f"the datasets are {', '.join(known) or 'none'}"
            faults.append(f"datasets.{name}: null leaves a dataset out, and there is none of that name; {remedy}")
        known += [str(name) for name, section in named.items() if section is not None and name not in known]
    return faults
