"""The config's files: read with every fault named by its line, before Snakemake lays one over the other.

Snakemake reads them too, but takes the last of two equal keys, and says of a fault neither file nor line.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from medpriv.errors import InputError
from medpriv.files import read_text

_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_NOT_DECIMAL = re.compile(r"[-+]?0[0-7_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?", re.ASCII)


def read_config(file: Path, example: str = "config/tiny.yaml (docs/config.md lists every key)") -> dict[str, Any]:
    """Return what a config file says; `example` is where to see how one is written.

    Raises:
        InputError: the file cannot be read, is not UTF-8 or not YAML, says nothing, is no mapping; or has keys twice or
            some that YAML takes for true or false, numbers that it does not take for decimal ones: all of them, with
            their lines.
    """
    text = read_text(file)
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse(file, [*_twins(tree), *_misread(tree)])
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
        raise InputError(f"not YAML ({error})", file=file, remedy=f"write it as {example}") from None
    if not isinstance(content, dict):
        found = "a list" if isinstance(content, list) else "a single value"
        if content is None:
            found = "only comments or blanks" if text.strip() else "an empty file"
        remedy = f"write `key: value` into it, as in {example}"
        raise InputError(f"{found}, where keys are expected", file=file, remedy=remedy)
    return content


def _refuse(file: Path, faults: Sequence[tuple[int, str, str]]) -> None:
    """Raise one InputError about faults (line, problem, remedy), if there are any."""
    faults = sorted(faults)
    if len(faults) == 1:
        ((line, problem, remedy),) = faults
        raise InputError(problem, file=file, place=f"line {line}", remedy=remedy)
    if faults:
        listed = "\n".join(f"  - line {line}: {problem}; {remedy}" for line, problem, remedy in faults)
        raise InputError(f"{len(faults)} faults", file=file, remedy=f"correct each:\n{listed}")


def _twins(tree: yaml.Node | None) -> Iterator[tuple[int, str, str]]:
    """Yield a fault for each key that stands in one mapping already; it names both lines."""
    for mapping in _nodes(tree, set()):
        lines: dict[tuple[str, str], int] = {}
        for key, _ in mapping.value if isinstance(mapping, yaml.MappingNode) else ():
            name, line = (key.tag, str(key.value)), key.start_mark.line + 1
            if name in lines:
                where = f"in lines {lines[name]} and {line}" if lines[name] != line else "in this line"
                problem = f"the key `{key.value}` stands twice, {where}, and one would replace the other"
                yield line, problem, "join what stands under both"
            lines[name] = line


def _misread(tree: yaml.Node | None) -> Iterator[tuple[int, str, str]]:
    """Yield a fault for all that YAML reads other than as it looks: `on:` is true, `010` is 8, `1:30` is 90."""
    decimal = "write a decimal number, without a 0 before it or `:` in it, or put it in quotes"
    for node in _nodes(tree, set()):
        keys = [key for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
        found = [(key, "put it in quotes, if it is a name") for key in keys if key.tag == "tag:yaml.org,2002:bool"]
        if node.tag in _NUMBERS and _NOT_DECIMAL.fullmatch(node.value):
            found.append((node, decimal))
        for one, remedy in found:
            value = str(yaml.SafeLoader("").construct_object(one)).lower()
            yield one.start_mark.line + 1, f"YAML reads `{one.value}` as {value}", remedy


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
    """Return YAML's own error with its line: where a bracket or a quote opens that isn't closed; a tab is named as one.

    YAML itself says where it could read no further, which is the line after the fault, or the end of the file.
    """
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    lines = text.split("\n")
    line = mark.line if mark and mark.line < len(lines) else None
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position)
    place = "" if line is None else f"line {line + 1}"
    if line is not None and "\t" in lines[line]:
        return InputError("a tab", file=file, place=place, remedy="indent by blanks, as YAML wants")
    if opened := _opened(error, text):
        return _unclosed(opened, mark.line if mark.index < len(text.rstrip()) else None, text, file)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).partition("\n")[0]
    return InputError(
        f"not YAML ({problem})", file=file, place=place, remedy="look at that line's brackets, quotes and indentation"
    )


def _opened(error: yaml.YAMLError, text: str) -> yaml.Mark | None:
    """Return where the bracket or quote opens within which YAML could read no further; none: it was in neither.

    A quote that was forgotten is closed by the next one, further down, and YAML stumbles over what follows that.
    """
    context, stumbled = getattr(error, "context", None) or "", getattr(error, "problem_mark", None)
    if context.startswith("while scanning a quoted scalar"):
        return error.context_mark
    brackets: list[yaml.Mark] = []
    quoted = None
    with suppress(yaml.YAMLError):
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if stumbled and token.start_mark.index >= stumbled.index:
                break
            if isinstance(token, yaml.FlowSequenceStartToken | yaml.FlowMappingStartToken):
                brackets.append(token.start_mark)
            elif isinstance(token, yaml.FlowSequenceEndToken | yaml.FlowMappingEndToken):
                del brackets[-1:]
            elif isinstance(token, yaml.ScalarToken) and token.style in ("'", '"'):
                quoted = token
    if context.startswith("while parsing a flow") and brackets:
        return brackets[-1]
    over = quoted and quoted.start_mark.line < quoted.end_mark.line
    return quoted.start_mark if over and stumbled and stumbled.line == quoted.end_mark.line else None


def _unclosed(opened: yaml.Mark, stop: int | None, text: str, file: Path) -> InputError:
    """Return the error about a bracket or quote that opens at a mark and is open in line `stop` (None: at the end)."""
    sign, line = text[opened.index], opened.line
    bracket = sign in "[{"
    until = "up to the end" if stop is None else f"before line {stop + 1} ends" if stop > line else "in this line"
    problem = f"the {sign} in column {opened.column + 1} is not closed {until}"
    remedy = f"close it by {sign}"
    if bracket:
        problem += ", or a comma is missing there" if stop is not None else ""
        closing = "]" if sign == "[" else "}"
        remedy = f"write {closing} where it ends, and a comma between any two entries"
    return InputError(f"not YAML ({problem})", file=file, place=f"line {line + 1}", remedy=remedy)


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
