"""Generic and brand names of drugs of wards and intensive care in the United States.

Common knowledge of the trade, not taken from a register: the brand held or holds that one drug alone, and the salt is
named where the brand is one salt. A brand belongs to one half, its generic name to the other, so that either half
rewords about half of the drugs in either direction.
"""

from medpriv.language.paraphrase.sites import same

_BRAND_FIRST = """
furosemide | Lasix |
metoprolol tartrate | Lopressor |
acetaminophen | Tylenol |
lorazepam | Ativan |
docusate sodium | Colace |
pantoprazole; pantoprazole sodium | Protonix |
propofol | Diprivan |
tacrolimus | Prograf |
ondansetron; ondansetron hcl | Zofran |
midazolam; midazolam hcl | Versed |
gabapentin | Neurontin |
haloperidol | Haldol |
famotidine | Pepcid |
amiodarone; amiodarone hcl | Cordarone |
atorvastatin; atorvastatin calcium | Lipitor |
meropenem | Merrem |
enoxaparin; enoxaparin sodium | Lovenox |
fluconazole | Diflucan |
azithromycin | Zithromax |
metoclopramide | Reglan |
hydrocortisone sodium succinate; hydrocortisone na succ. | Solu-Cortef |
olanzapine | Zyprexa |
phenytoin; phenytoin sodium | Dilantin |
omeprazole | Prilosec |
trazodone | Desyrel |
digoxin | Lanoxin |
carvedilol | Coreg |
oxycodone-acetaminophen | Percocet |
ipratropium; ipratropium bromide | Atrovent |
dexmedetomidine | Precedex |
duloxetine | Cymbalta |
atenolol | Tenormin |
phenylephrine; phenylephrine hcl | Neo-Synephrine |
octreotide; octreotide acetate | Sandostatin |
potassium chloride | KCl |
magnesium sulfate | MgSO4 |
insulin glargine | Lantus |
esomeprazole | Nexium |
quetiapine | Seroquel |
clonazepam | Klonopin |
allopurinol | Zyloprim |
linezolid | Zyvox |
spironolactone | Aldactone |
tramadol | Ultram |
cefazolin | Ancef |
clindamycin | Cleocin |
hydralazine | Apresoline |
phytonadione | vitamin K1 |
"""
_BRAND_SECOND = """
vancomycin; vancomycin hcl | | Vancocin
bisacodyl | | Dulcolax
senna | | Senokot
fentanyl citrate | | Sublimaze
warfarin; warfarin sodium | | Coumadin
hydromorphone; hydromorphone (dilaudid) | | Dilaudid
levofloxacin | | Levaquin
norepinephrine; norepinephrine bitartrate | | Levophed
prednisone | | Deltasone
lisinopril | | Zestril
levothyroxine; levothyroxine sodium | | Synthroid
cefepime | | Maxipime
ciprofloxacin; ciprofloxacin hcl | | Cipro
piperacillin-tazobactam; piperacillin-tazobactam na | | Zosyn
metronidazole; metronidazole (flagyl) | | Flagyl
dexamethasone | | Decadron
ceftriaxone | | Rocephin
ranitidine; ranitidine hcl | | Zantac
diphenhydramine; diphenhydramine hcl | | Benadryl
diltiazem; diltiazem hcl | | Cardizem
simvastatin | | Zocor
labetalol; labetalol hcl | | Trandate
methylprednisolone sodium succinate; methylprednisolone sodium succ | | Solu-Medrol
levetiracetam | | Keppra
clopidogrel; clopidogrel bisulfate | | Plavix
lansoprazole | | Prevacid
zolpidem; zolpidem tartrate | | Ambien
amlodipine | | Norvasc
aspirin | | acetylsalicylic acid
cisatracurium; cisatracurium besylate | | Nimbex
mirtazapine | | Remeron
captopril | | Capoten
vasopressin | | Pitressin
sodium bicarbonate | | NaHCO3
insulin lispro | | Humalog
sertraline | | Zoloft
citalopram | | Celexa
diazepam | | Valium
acyclovir | | Zovirax
rifaximin | | Xifaxan
sucralfate | | Carafate
prochlorperazine | | Compazine
ceftazidime | | Fortaz
glipizide | | Glucotrol
albuterol | | Ventolin
sodium chloride | | NaCl
"""


def _both_ways(table: str) -> list[str]:
    """Return the rows with the first generic name moved to the half that has not the brand."""
    rows = []
    for line in table.strip().splitlines():
        plain, first, second = (part.strip() for part in line.split("|"))
        generic, _, others = plain.partition(";")
        rows.append(f"{others} | {first or generic} | {second or generic}")
    return rows


DRUGS = same("\n".join(_both_ways(_BRAND_FIRST) + _both_ways(_BRAND_SECOND)), any_case=True)
KEPT = ("heparin flush", "sodium chloride 0.9%", "potassium chloride 20 meq")
