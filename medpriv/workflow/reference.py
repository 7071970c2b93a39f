"""Generates `docs/config.md` and `docs/config.schema.json` from the config's models; a test holds them equal.

Run `python -m medpriv.workflow.reference` after a change in `medpriv/config/`.
"""

import json
from pathlib import Path

from medpriv.config.check import Config
from medpriv.files import write_text

HEAD = """# Config reference

Generated from `medpriv/config/` by `make generate`; do not edit by hand.

`config.yaml` at the root is the default run. An overlay in `config/` holds only what it changes and is laid over it:
`make report CONFIG=config/open.yaml`. Unknown keys are refused with the nearest known name, and all faults are shown
at once. `<name>` is a name of your choice: lower-case letters and digits.
"""


def schema() -> str:
    """Return the JSON schema of the config, as text with sorted keys."""
    return json.dumps(Config.model_json_schema(), sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def reference() -> str:
    """Return the config reference as Markdown: one table a kind of section, with the keys that hold it."""
    root = Config.model_json_schema()
    definitions = root["$defs"]
    places: dict[str, list[str]] = {}
    _place("", root, definitions, places)
    sections = [_table("The root", [], root, definitions)]
    sections += [_table(keys[0], keys[1:], definitions[name], definitions) for name, keys in places.items()]
    return HEAD + "".join(sections)


def _place(path: str, section: dict, definitions: dict, places: dict[str, list[str]]) -> None:
    """Note under which key each kind of section stands, in reading order, each key once."""
    for key, field in section["properties"].items():
        names = _references(field)
        for name in names:
            place = f"{path}.{key}".lstrip(".")
            if key == "datasets":
                place = "datasets.<name>"
            keys = places.setdefault(name, [])
            if place not in keys:
                keys.append(place)
            _place(place, definitions[name], definitions, places)


def _table(title: str, more: list[str], section: dict, definitions: dict) -> str:
    kind = section["properties"].get("format", {}).get("const")
    lines = [f"\n## `{title}`" if title.islower() else f"\n## {title}"]
    lines[0] += f", format `{kind}`" if kind else ""
    lines += ["", " ".join([section["description"], *(f"Also under `{key}`." for key in more)]), ""]
    lines += ["| key | allowed | default | meaning |", "| --- | --- | --- | --- |"]
    for key, field in section["properties"].items():
        targets = [definitions[name] for name in _references(field)]
        needed = key in section.get("required", ())
        cells = (f"`{key}`", _allowed(field, targets), _default(field, targets, needed), field.get("description", ""))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _references(field: dict) -> list[str]:
    """Return the names of the sections that a field may hold, in order."""
    parts = [field, *field.get("anyOf", [])]
    for values in _mapped(field):
        parts += [values, *values.get("oneOf", [])]
    return [part["$ref"].rsplit("/", 1)[1] for part in parts if "$ref" in part]


def _mapped(field: dict) -> list[dict]:
    """Return what the values of a mapping may be."""
    values = [field.get("additionalProperties"), *field.get("patternProperties", {}).values()]
    return [value for value in values if isinstance(value, dict)]


def _allowed(field: dict, targets: list[dict]) -> str:
    if targets:
        return "section, or null" if "anyOf" in field else "section"
    if "$ref" in field:
        return "section"
    if "anyOf" in field:
        return " or ".join(_allowed(part, []) for part in field["anyOf"])
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if field.get("type") == "array":
        return f"list of {_allowed(field['items'], [])}"
    if field.get("type") == "object":
        values = " or ".join(_allowed(values, []) for values in _mapped(field))
        return f"mapping to {f'({values})' if ' or ' in values else values}" if values else "mapping"
    limits = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {field[name]}" for name, sign in limits.items() if name in field]
    return " ".join([field.get("type", "any"), ", ".join(bounds)]).strip()


def _default(field: dict, targets: list[dict], needed: bool) -> str:
    if "default" not in field:  # one that is made anew each time isn't in the schema: it is empty
        return "" if targets else "required" if needed else "empty"
    return "none" if field["default"] is None else f"`{json.dumps(field['default'])}`"


def main() -> None:
    """Write both files."""
    docs = Path(__file__).parents[2] / "docs"
    write_text(docs / "config.md", reference())
    write_text(docs / "config.schema.json", schema())


if __name__ == "__main__":
    main()
