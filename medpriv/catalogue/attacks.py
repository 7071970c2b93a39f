"""The attack families: whom each attacks, who the attacker is, what its attacks are called, and which tables it writes.

A family is a folder of results, a package or module of `medpriv.attacks`, and a job a bank. An attack's name in the
tables is the family's word and its own (`membership-rmia`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from medpriv.catalogue.networks import NETWORKS
from medpriv.catalogue.treatments import STRATEGIES, Section, Spec

BANK, DATASET, PERSONALIZED, UNLEARNED = "bank", "dataset", "personalized", "unlearned"  # whom a family attacks

HOLDER = "whoever holds the model"
CURIOUS = "a server that follows the protocol and looks"
MALICIOUS = "a server that trains the clients' layers for its own ends"
OUTSIDER = "whoever sees the released table"
CONTROL = "nobody: what is found without the model"
CHECK = "nobody: a check"


@dataclass(frozen=True)
class Attack:
    """One attack.

    Attributes:
        label: as the field writes it.
        attacker: who can do it; one of the words above.
    """

    label: str
    attacker: str = HOLDER


@dataclass(frozen=True)
class Table:
    """A table beside a family's measures.

    Attributes:
        stem: of its file.
        rows_of_patients: it holds true values of single patients' records, so it leaves the machine for nobody.
    """

    stem: str
    rows_of_patients: bool = False


@dataclass(frozen=True)
class Family:
    """Attacks that a job does together.

    Attributes:
        name: of its folder of results and of its job.
        subject: whom it attacks: `bank`, `dataset`, `personalized` or `unlearned`.
        attacks: by their names in the tables.
        applies: whether it makes sense for a bank of this treatment on records of this modality, given the dataset's
            section of the config.
        keys: of the config, which its job asks for; the first is the family's own section.
        by_dataset: mappings of that section that go by the names of datasets.
        tables: that it writes beside `measures.csv`.
    """

    name: str
    subject: str
    attacks: Mapping[str, Attack]
    applies: Callable[[Spec, str, Section], bool] = lambda spec, modality, section: True
    keys: tuple[str, ...] = ()
    by_dataset: tuple[str, ...] = ()
    tables: tuple[Table, ...] = field(default=())


def network_of(spec: Spec, section: Section) -> str:
    """Return the network that a bank's models are."""
    return spec.parts.get("model") or section[spec.treatment.section]["model"]


def _with_gradients(spec: Spec, section: Section) -> bool:
    return NETWORKS[network_of(spec, section)].gradients


_ALL = (
    Family(
        "membership",
        BANK,
        {
            "membership-loss": Attack("Loss threshold"),
            "membership-lira-online": Attack("LiRA online"),
            "membership-lira-offline": Attack("LiRA offline"),
            "membership-lira-online-shared": Attack("LiRA online (shared)"),
            "membership-lira-offline-shared": Attack("LiRA offline (shared)"),
            "membership-rmia": Attack("RMIA"),
            "membership-bavaria": Attack("BaVarIA"),
            "membership-informia": Attack("InfoRMIA"),
            "membership-best": Attack("Best of all, by chance", CONTROL),
        },
        keys=("attacks.membership",),
        tables=(Table("roc"), Table("exposure")),
    ),
    Family(
        "evasion",
        BANK,
        {
            "evasion-fgsm": Attack("FGSM"),
            "evasion-pgd": Attack("PGD"),
            "evasion-pgd-released": Attack("PGD as released"),
            "evasion-pgd-transfer": Attack("PGD, transferred"),
            "evasion-pgd-targeted": Attack("PGD, targeted"),
            "evasion-sap": Attack("SAP"),
            "evasion-sap-transfer": Attack("SAP, transferred"),
            "evasion-sap-targeted": Attack("SAP, targeted"),
            "evasion-square": Attack("Square (black box)"),
            "evasion-band": Attack("Band"),
            "evasion-concatenation": Attack("Concatenation"),
            "evasion-noise": Attack("Random noise in SAP’s band", CONTROL),
            "evasion-none": Attack("The signals as they are", CONTROL),
        },
        applies=lambda spec, modality, section: modality in ("signal", "image") and _with_gradients(spec, section),
        keys=("datasets.{dataset}.evasion",),
        tables=(Table("examples", rows_of_patients=True),),
    ),
    Family(
        "smoothing",
        BANK,
        {"smoothing": Attack("Certified by smoothing", CHECK)},
        applies=lambda spec, modality, section: spec.parts.get("defence") == "noise",
        keys=("attacks.smoothing", "datasets.{dataset}.evasion.epsilons_mv"),
    ),
    Family(
        "epsilon",
        BANK,
        {
            "accountant": Attack("The accountant’s claim", CHECK),
            "audit-one-run": Attack("Canaries in one run"),
            "audit-bank": Attack("Members of the bank"),
        },
        applies=lambda spec, modality, section: spec.guaranteed,
        keys=("attacks.epsilon",),
    ),
    Family(
        "server",
        BANK,
        {
            "membership-updates": Attack("From the updates", CURIOUS),
            "property-site": Attack("Which site sent it", CURIOUS),
            "inversion-analytic": Attack("Analytic", CURIOUS),
            "inversion-dlg": Attack("DLG", CURIOUS),
            "inversion-idlg": Attack("iDLG", CURIOUS),
            "inversion-cosine": Attack("Cosine", CURIOUS),
            "inversion-tableak": Attack("TabLeak", CURIOUS),
            "inversion-mode": Attack("Mode", CONTROL),
            "inversion-random": Attack("Random", CONTROL),
        },
        applies=lambda spec, modality, section: spec.word == "fed" and not STRATEGIES[spec.parts["strategy"]].silent,
        keys=("attacks.server",),
        tables=(Table("examples", rows_of_patients=True),),
    ),
    Family(
        "cut",
        BANK,
        {
            "cut-correlation": Attack("Distance correlation", CHECK),
            "cut-decoder": Attack("Decoder", CURIOUS),
            "cut-inversion": Attack("Inversion, layers known", CURIOUS),
            "cut-inversion-public": Attack("Inversion, layers and public records", CURIOUS),
            "cut-inversion-repeated": Attack("Inversion, the same sent repeatedly", CURIOUS),
            "cut-unsplit": Attack("UnSplit", CURIOUS),
            "cut-unsplit-start": Attack("UnSplit from the first layers", CURIOUS),
            "cut-fsha": Attack("FSHA", MALICIOUS),
            "cut-fsha-start": Attack("FSHA from the first layers", MALICIOUS),
            "cut-labels-direction": Attack("Gradients’ direction", CURIOUS),
            "cut-labels-norm": Attack("Gradients’ norm", CURIOUS),
            "cut-membership-norm": Attack("LiRA on the norm", CURIOUS),
            "cut-membership-distance": Attack("LiRA on the distance", CURIOUS),
            "cut-membership-nearest": Attack("LiRA on the nearest", CURIOUS),
        },
        applies=lambda spec, modality, section: spec.word == "split",
        keys=("attacks.cut",),
        tables=(Table("examples", rows_of_patients=True),),
    ),
    Family(
        "attribute",
        BANK,
        {
            "attribute-confidence": Attack("Confidence"),
            "attribute-lira": Attack("LiRA"),
            "attribute-combined": Attack("Combined with imputing"),
            "attribute-imputer": Attack("Imputer, no model", CONTROL),
        },
        applies=lambda spec, modality, section: modality == "table" and _with_gradients(spec, section),
        keys=("attacks.attribute",),
        by_dataset=("features",),
    ),
    Family(
        "personal",
        PERSONALIZED,
        {
            "personal-fgsm": Attack("FGSM"),
            "personal-pgd": Attack("PGD"),
            "personal-sap": Attack("SAP"),
            "personal-membership-loss": Attack("Loss, one model"),
            "personal-membership-difference": Attack("Difference of the pair"),
            "personal-membership-lira": Attack("LiRA, one model"),
            "personal-membership-lira-difference": Attack("LiRA on the pair"),
            "personal-identification-difference": Attack("Difference of the pair"),
            "personal-identification-difference-calibrated": Attack("Difference, calibrated by shadows"),
            "personal-identification-calibrated": Attack("One model, calibrated by shadows"),
        },
        keys=("attacks.personal",),
        tables=(Table("patients"), Table("exposure")),
    ),
    Family(
        "forgetting",
        UNLEARNED,
        {
            "forgetting-ulira": Attack("U-LiRA"),
            "forgetting-gap": Attack("Gap to retraining", CHECK),
            "forgetting-quality": Attack("Forgetting quality", CHECK),
            "forgetting-relearn": Attack("Relearning", CHECK),
            "forgetting-retained": Attack("What the retained give away"),
            "forgetting-robustness": Attack("Robustness", CHECK),
            "forgetting-cost": Attack("Cost", CHECK),
            "forgetting-verdict": Attack("Verdict", CHECK),
        },
        keys=("attacks.forgetting",),
        tables=(Table("patients"),),
    ),
    Family(
        "linkage",
        DATASET,
        {
            "linkage-anonymity": Attack("Anonymity", CHECK),
            "linkage-disclosure": Attack("Disclosure", CHECK),
            "linkage-reidentification": Attack("Reidentification", OUTSIDER),
            "linkage-singling-out": Attack("Singling out", OUTSIDER),
            "linkage-inference": Attack("Inference", OUTSIDER),
            "linkage-linkability": Attack("Linkability", OUTSIDER),
            "linkage-join": Attack("Join", OUTSIDER),
        },
        applies=lambda spec, modality, section: modality == "table",
        keys=("attacks.linkage",),
        by_dataset=("sets", "sensitive"),
        tables=(Table("criteria"),),
    ),
)
FAMILIES = {family.name: family for family in _ALL}
ATTACKS = {name: attack for family in _ALL for name, attack in family.attacks.items()}


def families_of(spec: Spec, modality: str, section: Section) -> list[Family]:
    """Return the families that a bank of K replicates faces, in their order."""
    return [family for family in _ALL if family.subject == BANK and family.applies(spec, modality, section)]
