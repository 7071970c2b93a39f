"""The sections of the page, in its order; each is a folder here.

A new one is a folder with `figures.py` and `section.html`, and a line here.
"""

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
from medpriv.report.sections.personal import figures as personal
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

SECTIONS: tuple[Section, ...] = tuple(
    module.SECTION
    for module in (
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
        personal,
        unlearning,
        subgroups,
        attacks,
        conclusions,
        provenance,
        costs,
    )
)
