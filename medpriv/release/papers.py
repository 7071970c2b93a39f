"""A synthetic table's papers: the data card (Markdown) and Croissant metadata (JSON-LD).

Every figure comes from the tables of measures; every sentence stands in `data_card.md`. What a reader must not miss is
said whether or not anybody asks: that nothing is guaranteed where nothing is, that no attack was run where none was,
and under which licence the software is that made the table.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medpriv.bank.bank import About
from medpriv.dataset import Dataset
from medpriv.measures.table import Measure
from medpriv.measures.verdicts import verdict_name
from medpriv.report import formatting
from medpriv.report.withholding import SMALL_COUNT
from medpriv.synthesis.schema import Field, Schema

CROISSANT = "http://mlcommons.org/croissant/1.1"
RAI = "http://mlcommons.org/croissant/RAI/1.0"
BEST = "release-best"  # chosen on other replicates, so no maximum of noisy figures
NOT_OPEN = "BUSL-1.1"  # Business Source License, of SDV and CTGAN: source to be read, use restricted


@dataclass(frozen=True)
class Release:
    """What is released.

    Attributes:
        file: the CSV file's name.
        sha256, bytes: of the file.
        rows: of the table.
        replicate: the number of the replicate that made it.
        trained_on: patients whom the generator was trained on.
        copies: rows that equal a record of these patients in all columns, as written.
        alike: rows that so equal a test patient's, whom no generator was trained on: what chance does.
        software: name and version -> SPDX id of the licence, of what made it.
        published: the day, YYYY-MM-DD; empty before there is one.
        url: where the file is, or will be; empty: beside its papers.
    """

    file: str
    sha256: str
    bytes: int
    rows: int
    replicate: int
    trained_on: int
    copies: int
    alike: int
    software: Mapping[str, str]
    published: str = ""
    url: str = ""


@dataclass(frozen=True)
class Papers:
    """Two texts, each to be written to a file."""

    data_card: str
    croissant: str


def papers(dataset: Dataset, about: About, measures: Sequence[Measure], release: Release) -> Papers:
    """Return the papers of a synthetic table.

    Args:
        dataset: from which the generator learnt.
        about: what the generator's bank says of itself.
        measures: of its use, its fidelity, and of every attack that was run on it.
        release: the file.
    """
    facts = _facts(dataset, about, measures, release)
    return Papers(_card(facts), json.dumps(croissant(dataset, facts), indent=2, ensure_ascii=False) + "\n")


def croissant(dataset: Dataset, facts: Mapping[str, object]) -> dict[str, object]:
    """Return the metadata as MLCommons' Croissant 1.1 asks for them, with the vocabulary for responsible AI 1.0."""
    release, name = facts["release"], facts["name"]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [CROISSANT, RAI],
        "name": name,
        "description": facts["description"],
        "version": "1.0.0",
        "license": dataset.licence,
        "url": release.url or release.file,
        "isLiveDataset": False,
        **({"datePublished": release.published} if release.published else {}),
        "citeAs": f"{name}, a synthetic table made by medpriv from {facts['source']}",
        "creator": {"@type": "sc:Organization", "name": "made by medpriv; named by who releases it"},
        "keywords": ["synthetic", "health", "tabular"],
        "rai:dataCollection": facts["description"],
        "rai:dataLimitations": facts["limitations"],
        "rai:personalSensitiveInformation": facts["privacy"],
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": release.file,
                "name": release.file,
                "contentUrl": release.url or release.file,
                "contentSize": f"{release.bytes} B",
                "encodingFormat": "text/csv",
                "sha256": release.sha256,
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "rows",
                "name": "rows",
                "description": "One synthetic record a row.",
                "field": [_field(field, release.file, unit) for field, unit in _units(dataset)],
            }
        ],
    }


def _units(dataset: Dataset) -> list[tuple[Field, str]]:
    units = [column.unit for column in dataset.records.columns]
    return list(zip(Schema.of(dataset).fields, [*units, ""], strict=True))


def _field(field: Field, file: str, unit: str) -> dict[str, object]:
    told = f"One of {', '.join(field.texts)}" if field.levels else "A number"
    if unit:
        told += f", in {unit}"
    told += "." if field.complete else "; empty: not known."
    return {
        "@type": "cr:Field",
        "@id": f"rows/{field.written}",
        "name": field.written,
        "description": told,
        "dataType": "sc:Float" if field.number else "sc:Text",
        "source": {"fileObject": {"@id": file}, "extract": {"column": field.written}},
    }


def _facts(dataset: Dataset, about: About, measures: Sequence[Measure], release: Release) -> dict[str, object]:
    """Return all that the card says, but for its words."""
    privacy = about.metadata.get("privacy", {})
    epsilon = privacy.get("epsilon")
    source = f"{dataset.name} (simulated)" if dataset.source == "simulated" else dataset.name
    use = [row for row in measures if not row.attack and not row.replicate]
    attacks = [
        row
        for row in measures
        if row.measure == "auc" and row.group.endswith("level=patient") and "-null-" not in row.attack
    ]
    chosen = [row for row in attacks if row.attack == BEST] or attacks
    strongest = max((row for row in chosen if row.value == row.value), key=lambda row: row.value, default=None)
    guarantee = f"epsilon = {epsilon:g}" if isinstance(epsilon, int | float) else ""
    facts = {
        "name": f"{dataset.name}-{about.spec.name}",
        "about": about,
        "spec": about.spec,
        "dataset": dataset,
        "source": source,
        "release": release,
        "columns": _units(dataset),
        "beyond": {name: _few(count) for name, count in dataset.notes.get("cells_beyond_ranges", {}).items()},
        "guarantee": guarantee,
        "metadata": privacy,
        "figure": {(row.measure, row.group): row for row in use},
        "classifiers": sorted({row.group for row in use if row.group.startswith("classifier=")}),
        "attacks": sorted(attacks, key=lambda row: -row.value if row.value == row.value else 1.0),
        "strongest": strongest,
        "best": BEST,
        "restricted": {name: licence for name, licence in release.software.items() if licence == NOT_OPEN},
    }
    return facts | {part: _words(part, facts) for part in ("description", "limitations", "privacy")}


def _few(count: int) -> str:
    return f"fewer than {SMALL_COUNT}" if count < SMALL_COUNT else str(count)


def _environment():
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # Markdown; what comes from outside is escaped by the filter `cell`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "cell": _cell,
        "figure": lambda row: formatting.number(row.value if row else None),
        "interval": formatting.interval,
        "number": formatting.number,
        "percent": formatting.percent,
        "plural": formatting.plural,
        "verdict": lambda row: verdict_name(row.value) if row else formatting.MISSING,
    }
    return made


def _card(facts: Mapping[str, object]) -> str:
    return _environment().get_template("data_card.md").render(facts)


def _words(part: str, facts: Mapping[str, object]) -> str:
    """Return a part's sentences on one line."""
    module = _environment().get_template("sentences.md").make_module(dict(facts))
    return " ".join(str(getattr(module, part)()).split())


def _cell(value: object) -> str:
    """Return a text that can stand in a table's cell of Markdown, and is no markup there."""
    text = " ".join(str(value).split())
    for sign in "\\`*_[]<>|":
        text = text.replace(sign, f"\\{sign}")
    return text


_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
