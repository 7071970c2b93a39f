"""Which rows of MIMIC-III's LABEVENTS and PRESCRIPTIONS questions are asked about, and what a text calls them.

Laboratory items are those measured in most of the open demo's patients, one item a quantity, by item id and the label
that D_LABITEMS gives it; a value counts in the unit that the table writes beside it, and within what can be. Drugs are
known by the generic name that an order begins with: solutions to dissolve or flush in are none. What isn't listed is
never asked about, and is counted.
"""

import re
from typing import NamedTuple


class LabItem(NamedTuple):
    """One item: its label in D_LABITEMS, its name in texts, its unit (empty: none is written), and what can be."""

    itemid: int
    label: str
    name: str
    unit: str
    low: float
    high: float


LABS = (
    LabItem(50971, "Potassium", "potassium", "mEq/L", 1, 12),
    LabItem(50983, "Sodium", "sodium", "mEq/L", 90, 190),
    LabItem(50902, "Chloride", "chloride", "mEq/L", 60, 160),
    LabItem(50882, "Bicarbonate", "bicarbonate", "mEq/L", 2, 60),
    LabItem(50868, "Anion Gap", "anion gap", "mEq/L", 1, 60),
    LabItem(50912, "Creatinine", "creatinine", "mg/dL", 0.1, 40),
    LabItem(51006, "Urea Nitrogen", "urea nitrogen", "mg/dL", 1, 300),
    LabItem(50931, "Glucose", "glucose", "mg/dL", 10, 2000),
    LabItem(50960, "Magnesium", "magnesium", "mg/dL", 0.3, 12),
    LabItem(50893, "Calcium, Total", "calcium", "mg/dL", 2, 20),
    LabItem(50970, "Phosphate", "phosphate", "mg/dL", 0.2, 25),
    LabItem(51222, "Hemoglobin", "hemoglobin", "g/dL", 1, 25),
    LabItem(51221, "Hematocrit", "hematocrit", "%", 5, 75),
    LabItem(51301, "White Blood Cells", "white cell count", "K/uL", 0.1, 500),
    LabItem(51265, "Platelet Count", "platelet count", "K/uL", 2, 3000),
    LabItem(51237, "INR(PT)", "INR", "", 0.5, 30),
    LabItem(50813, "Lactate", "lactate", "mmol/L", 0.2, 40),
    LabItem(50885, "Bilirubin, Total", "bilirubin", "mg/dL", 0.1, 80),
    LabItem(50862, "Albumin", "albumin", "g/dL", 0.5, 7),
    LabItem(50861, "Alanine Aminotransferase (ALT)", "ALT", "IU/L", 1, 30000),
    LabItem(51003, "Troponin T", "troponin T", "ng/mL", 0.01, 100),
)

_GENERICS = """
acetaminophen, acyclovir, albuterol, allopurinol, amiodarone, amlodipine, ampicillin, aspirin, atenolol, atorvastatin,
azithromycin, bisacodyl, calcium carbonate, calcium gluconate, captopril, carvedilol, cefazolin, cefepime, ceftazidime,
ceftriaxone, ciprofloxacin, citalopram, clindamycin, clonazepam, clopidogrel, dexamethasone, diazepam, digoxin,
diltiazem, diphenhydramine, docusate sodium, dopamine, enoxaparin, erythromycin, esomeprazole, famotidine, fentanyl,
ferrous sulfate, fluconazole, folic acid, furosemide, gabapentin, gentamicin, glipizide, haloperidol, heparin,
hydralazine, hydrochlorothiazide, hydrocortisone, hydromorphone, insulin, ipratropium, labetalol, lactulose,
lansoprazole, levetiracetam, levofloxacin, levothyroxine, linezolid, lisinopril, lorazepam, magnesium oxide,
magnesium sulfate, meropenem, methylprednisolone, metoclopramide, metolazone, metoprolol, metronidazole, midazolam,
morphine, nafcillin, norepinephrine, olanzapine, omeprazole, ondansetron, oxycodone, pantoprazole, phenylephrine,
phenytoin, phytonadione, piperacillin-tazobactam, potassium chloride, potassium phosphate, prednisone, prochlorperazine,
propofol, quetiapine, ranitidine, rifaximin, senna, sertraline, simvastatin, sodium bicarbonate, spironolactone,
sucralfate, tacrolimus, thiamine, tobramycin, tramadol, trazodone, vancomycin, vasopressin, warfarin, zolpidem
"""
GENERICS = tuple(name.strip() for name in _GENERICS.replace("\n", " ").split(","))
_BEGINS = re.compile(f"(?:{'|'.join(sorted(map(re.escape, GENERICS), key=len, reverse=True))})(?![a-z])")
# Two drugs in one, and what keeps a catheter open.
_OTHERWISE = re.compile(r"flush|lock|acetaminophen-|-acetaminophen|insulin pump|desensitization", re.IGNORECASE)
DOSE_UNITS = {name: name.replace("meq", "mEq").replace("ml", "mL") for name in ("mg", "mcg", "g", "meq", "mmol", "ml")}
DOSE_UNITS |= {"ug": "mcg", "gm": "g", "unit": "units", "units": "units", "puff": "puffs"}
ROUTES = {
    **dict.fromkeys(("PO", "PO/NG", "ORAL"), "by mouth"),
    **dict.fromkeys(("IV", "IV BOLUS"), "intravenously"),
    **dict.fromkeys(("SC", "SUBCUT"), "subcutaneously"),
    **dict.fromkeys(("IH", "INH", "NEB"), "by inhalation"),
    "IV DRIP": "by intravenous infusion",
    "IM": "intramuscularly",
    "PR": "rectally",
    "NG": "by nasogastric tube",
    "SL": "under the tongue",
}
_DOSE = re.compile(r"(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?", re.ASCII)


def generic_name(drug: str) -> str | None:
    """Return the generic name that an order's text begins with; None if it is none of ours."""
    text = drug.strip().lower()
    if _OTHERWISE.search(text):
        return None
    found = _BEGINS.match(text)
    return found[0] if found else None


def dose_of(value: str, unit: str) -> str | None:
    """Return a dose as texts write it (`5000 units`); None if it is a range, nothing, or in another unit."""
    number = _DOSE.fullmatch(value.strip())
    known = DOSE_UNITS.get(unit.strip().lower())
    if not number or known is None:
        return None
    plain = f"{float(number[0].replace(',', '')):.10g}"
    return None if plain == "0" else f"{plain} {known[:-1] if plain == '1' and known.endswith('s') else known}"


# Services and reservations written into the reason of an admission; abbreviations that stay in capitals.
_NO_REASON = re.compile(r"(?:;|/|\\)\s*(?:TELEMETRY|SDA|CATH)\b|\bTELEMETRY\s*;?|\?", re.IGNORECASE)
_ABBREVIATIONS = (
    "AAA ARDS AV CA CABG CAD CHF CNS COPD CVA DKA DVT ESRD ETOH GI HIV ICH MI MVR NSTEMI PE SAH SDH STEMI TIA UTI"
)
_CAPITALS = frozenset(_ABBREVIATIONS.split())


def reason_of(diagnosis: str) -> str:
    """Return ADMISSIONS' free text of the reason as a clause, in small letters but for known abbreviations."""
    text = re.sub(r"\s*[;\\]\s*", ", ", _NO_REASON.sub("", diagnosis)).strip(" ,;/\\")
    return re.sub(r"[A-Za-z]+", lambda word: word[0] if word[0] in _CAPITALS else word[0].lower(), text)
