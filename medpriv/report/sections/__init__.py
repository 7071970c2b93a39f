"""The sections of the page, in its order; each is a folder here, with `figures.py` and `section.html`.

A folder that isn't listed below is found, and stands before the lists of all attacks and of what was run.
"""

from importlib import import_module
from pathlib import Path
from types import ModuleType

from medpriv.report.section import Section
from medpriv.report.sections.attacks import figures as attacks
from medpriv.report.sections.attributes import figures as attributes
from medpriv.report.sections.calibration import figures as calibration
from medpriv.report.sections.comparison import figures as comparison
from medpriv.report.sections.conclusions import figures as conclusions
from medpriv.report.sections.costs import figures as costs
from medpriv.report.sections.evasion import figures as evasion
from medpriv.report.sections.examples import figures as examples
from medpriv.report.sections.exposure import figures as exposure
from medpriv.report.sections.federated import figures as federated
from medpriv.report.sections.leakage import figures as leakage
from medpriv.report.sections.personalization import figures as personalization
from medpriv.report.sections.private import figures as private
from medpriv.report.sections.provenance import figures as provenance
from medpriv.report.sections.reconstruction import figures as reconstruction
from medpriv.report.sections.reidentification import figures as reidentification
from medpriv.report.sections.robustness import figures as robustness
from medpriv.report.sections.roc import figures as roc
from medpriv.report.sections.sap import figures as sap
from medpriv.report.sections.subgroups import figures as subgroups
from medpriv.report.sections.tradeoff import figures as tradeoff
from medpriv.report.sections.unlearning import figures as unlearning

_FIRST = (
    comparison,
    tradeoff,
    roc,
    exposure,
    calibration,
    evasion,
    examples,
    leakage,
    private,
    federated,
    reconstruction,
    attributes,
    reidentification,
    robustness,
    sap,
    personalization,
    unlearning,
)
_LAST = (subgroups, attacks, conclusions, provenance, costs)


def _found() -> list[ModuleType]:
    """Return the sections that aren't listed, by their folders' names."""
    listed = {module.__name__.split(".")[-2] for module in (*_FIRST, *_LAST)}
    folders = sorted(file.parent.name for file in Path(__file__).parent.glob("*/figures.py"))
    return [import_module(f"{__name__}.{folder}.figures") for folder in folders if folder not in listed]


SECTIONS: tuple[Section, ...] = tuple(module.SECTION for module in (*_FIRST, *_found(), *_LAST))
