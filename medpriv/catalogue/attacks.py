"""The attack families: whom each attacks, who the attacker is, what its attacks are called, and which tables it writes.

A family is a folder of results, a package or module of `medpriv.attacks`, and a job a bank. An attack's name in the
tables is the family's word and its own (`membership-rmia`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from medpriv.catalogue.networks import NETWORKS
from medpriv.catalogue.treatments import KINDS, STRATEGIES, Section, Spec

BANK, DATASET, PERSONALIZED, UNLEARNED = "bank", "dataset", "personalized", "unlearned"  # whom a family attacks

HOLDER = "whoever holds the model"
CURIOUS = "a server that follows the protocol and looks"
MALICIOUS = "a server that trains the clients' layers for its own ends"
OUTSIDER = "whoever sees the released table"
READER = "whoever sees the synthetic table and knows people like its patients"
CONTROL = "nobody: what is found without the model"
CHECK = "nobody: a check"

NOISY_MARGINALS = ("mst", "aim")  # generators whose guarantee is that of noisy counts
FIGURES, ROWS = "figures", "rows of patients"  # what a table holds


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
class Family:
    """Attacks that a job does together.

    Attributes:
        name: of its folder of results and of its job.
        subject: whom it attacks: `bank`, `dataset`, `personalized` or `unlearned`.
        told: the names of its measures, between blanks; `@` stands for a false-positive rate.
        attacks: by their names in the tables.
        applies: whether it makes sense for a bank of this treatment on records of this modality, given the dataset's
            section of the config.
        keys: of the config, which its job asks for; the first is the family's own section.
        by_dataset: mappings of that section that go by the names of datasets.
        tables: that it writes beside `measures.csv`, by file stem; `ROWS` marks those that hold true values of single
            patients' records, and so leave the machine for nobody.
        place: of its `audit`, in `medpriv.attacks`, where that is not the family's name.
        joint: a job attacks all banks of a dataset's stage, since one takes less than importing what it needs; its
            tables have a column `treatment`.
    """

    name: str
    subject: str
    told: str
    attacks: Mapping[str, Attack]
    applies: Callable[[Spec, str, Section], bool] = lambda spec, modality, section: True
    keys: tuple[str, ...] = ()
    by_dataset: tuple[str, ...] = ()
    tables: Mapping[str, str] = field(default_factory=dict)
    place: str = ""
    joint: bool = False

    @property
    def measures(self) -> tuple[str, ...]:
        """The names of its measures; `@` stands for a false-positive rate."""
        return tuple(self.told.split())

    def tells(self, measure: str) -> bool:
        """Return whether a measure's name is one of its own."""
        return any(re.fullmatch(name.replace("@", r"0\.\d+"), measure) for name in self.measures)

    @property
    def module(self) -> str:
        """The module with its `audit`."""
        return f"medpriv.attacks.{self.place or self.name}"

    @property
    def file(self) -> str:
        """That module's file, from the project's folder."""
        return f"{self.module.replace('.', '/')}.py"


def network_of(spec: Spec, section: Section) -> str:
    """Return the network that a bank of classifiers is of."""
    return spec.parts.get("model") or section[spec.treatment.section]["model"]


def _with_gradients(spec: Spec, section: Section) -> bool:
    return spec.treatment.kind == "classifier" and NETWORKS[network_of(spec, section)].gradients


_ALL = (
    Family(
        "membership",
        BANK,
        "auc auc_chance balanced_accuracy fpr_reached_@ tpr_at_fpr_@ tpr_at_fpr_@_chance",
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
        applies=lambda spec, modality, section: KINDS[spec.treatment.kind].membership == "membership",
        keys=("attacks.membership",),
        place="membership.audit",
        tables={
            "roc": FIGURES,
            "exposure": FIGURES,
        },
    ),
    Family(
        "release",
        BANK,
        (
            "auc auc_all_rows auc_all_rows_difference auc_chance balanced_accuracy chosen_share epsilon_lower "
            "fpr_reached_@ match_share p_value passes tpr_at_fpr_@"
        ),
        {
            "release-dcr": Attack("Distance to the closest record", READER),
            "release-dcr-difference": Attack("Distance, against the reference", READER),
            "release-adversarial": Attack("Nearest-neighbour adversary", READER),
            "release-monte-carlo": Attack("Monte Carlo", READER),
            "release-domias": Attack("DOMIAS", READER),
            "release-dpi": Attack("DPI", READER),
            "release-gen-lra": Attack("Gen-LRA", READER),
            "release-gan-leaks": Attack("GAN-leaks", READER),
            "release-logan": Attack("LOGAN", READER),
            "release-classifier": Attack("Classifier", READER),
            "release-local-density": Attack("Local density", READER),
            "release-queries": Attack("Marginal queries", READER),
            "release-ensemble": Attack("Ensemble of shadow features", READER),
            "release-meta": Attack("Learnt over the bank", READER),
            "release-diffusion-loss": Attack("Losses over time steps"),
            "release-diffusion-learnt": Attack("Losses, learnt over the bank"),
            "release-best": Attack("The strongest, chosen on other replicates", READER),
            "release-holdout": Attack("Matches with members and others", CHECK),
            "release-distance-check": Attack("The check of distances that data sheets state", CHECK),
            "release-null-members": Attack("Members against other members", CHECK),
            "release-null-shuffled": Attack("Membership shuffled", CHECK),
        },
        applies=lambda spec, modality, section: KINDS[spec.treatment.kind].membership == "release",
        keys=("attacks.release",),
        place="release.audit",
        tables={
            "roc": FIGURES,
            "exposure": FIGURES,
        },
        joint=True,
    ),
    Family(
        "disclosure",
        BANK,
        "memorisation risk success_control success_members success_naive",
        {
            "disclosure-singling-out-univariate": Attack("Singling out, one column", READER),
            "disclosure-singling-out-multivariate": Attack("Singling out, several columns", READER),
            "disclosure-linkability": Attack("Linkability", READER),
            "disclosure-inference": Attack("Inference", READER),
            "disclosure-reconstruction": Attack("Reconstruction of one column", READER),
        },
        applies=lambda spec, modality, section: KINDS[spec.treatment.kind].membership == "release",
        keys=("attacks.disclosure",),
        by_dataset=("known", "sensitive"),
        place="disclosure.audit",
        joint=True,
    ),
    Family(
        "evasion",
        BANK,
        (
            "accuracy_under_attack detector_auc energy_above_40hz flip_rate flip_rate_filtered flip_rate_requantised "
            "kept_share masking masking_black_box masking_black_box_figure masking_single_step "
            "masking_single_step_figure masking_steps masking_steps_figure masking_unbounded masking_unbounded_figure "
            "mean_d1_uv mean_d2_uv new_examples qrs_change_ms r_peak_shift_ms r_peaks_changed rr_change_ms "
            "signal_energy_above_40hz signal_mean_d1_uv signal_slew_mv_per_s slew_mv_per_s slew_uv_per_sample snr_db "
            "still_misclassified targeted_success unchanged_share unmoved_share"
        ),
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
        tables={
            "examples": ROWS,
        },
    ),
    Family(
        "smoothing",
        BANK,
        "certified_accuracy certified_against_budget certified_linf certified_radius smoothed_accuracy",
        {"smoothing": Attack("Certified by smoothing", CHECK)},
        applies=lambda spec, modality, section: spec.parts.get("defence") == "noise",
        keys=("attacks.smoothing", "datasets.{dataset}.evasion.epsilons"),
        place="randomized_smoothing",
    ),
    Family(
        "epsilon",
        BANK,
        "epsilon_accountant epsilon_lower violations",
        {
            "accountant": Attack("The accountant’s claim", CHECK),
            "audit-one-run": Attack("Canaries in one run"),
            "audit-bank": Attack("Members of the bank"),
        },
        applies=lambda spec, modality, section: spec.guaranteed and spec.treatment.kind == "classifier",
        keys=("attacks.epsilon",),
        joint=True,
    ),
    Family(
        "synthetic_epsilon",
        BANK,
        "epsilon_lower violations",
        {"audit-marginals": Attack("Canaries in the noisy counts", CHECK)},
        applies=lambda spec, modality, section: spec.parts.get("generator") in NOISY_MARGINALS,
        keys=("attacks.synthetic_epsilon",),
        joint=True,
    ),
    Family(
        "federated_server",
        BANK,
        "accuracy auc balanced_accuracy chance fpr_reached_@ gain identified match psnr rows ssim tpr_at_fpr_@",
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
        keys=("attacks.federated_server",),
        place="federated_server.audit",
        tables={
            "examples": ROWS,
        },
    ),
    Family(
        "split_server",
        BANK,
        (
            "auc balanced_accuracy distance_correlation distance_correlation_shuffled explained fpr_reached_@ mae "
            "mae_median recovered recovered_mode rmse rmse_mean tpr_at_fpr_@"
        ),
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
        keys=("attacks.split_server",),
        place="split_server.audit",
        tables={
            "examples": ROWS,
        },
    ),
    Family(
        "attribute",
        BANK,
        "accuracy accuracy_members accuracy_others member_advantage over_imputer",
        {
            "attribute-confidence": Attack("Confidence"),
            "attribute-lira": Attack("LiRA"),
            "attribute-combined": Attack("Combined with imputing"),
            "attribute-imputer": Attack("Imputer, no model", CONTROL),
        },
        applies=lambda spec, modality, section: modality == "table" and _with_gradients(spec, section),
        keys=("attacks.attribute",),
        joint=True,
        by_dataset=("features",),
    ),
    Family(
        "personalization",
        PERSONALIZED,
        (
            "accuracy accuracy_gain auc auroc auroc_gain hypothesis_h1 hypothesis_h2 hypothesis_h3 macro_f1 "
            "macro_f1_gain patients_gaining patients_losing sensitivity sensitivity_gain success success_gain "
            "success_over_retrain top_1 top_1_chance top_5 top_5_chance tpr_at_fpr_@ tpr_at_fpr_@_chance verdict_h1 "
            "verdict_h2 verdict_h3"
        ),
        {
            "personalization-fgsm": Attack("FGSM"),
            "personalization-pgd": Attack("PGD"),
            "personalization-sap": Attack("SAP"),
            "personalization-membership-loss": Attack("Loss, one model"),
            "personalization-membership-difference": Attack("Difference of the pair"),
            "personalization-membership-lira": Attack("LiRA, one model"),
            "personalization-membership-lira-difference": Attack("LiRA on the pair"),
            "personalization-identification-difference": Attack("Difference of the pair"),
            "personalization-identification-difference-calibrated": Attack("Difference, calibrated by shadows"),
            "personalization-identification-calibrated": Attack("One model, calibrated by shadows"),
        },
        keys=("attacks.personalization",),
        tables={
            "patients": FIGURES,
            "exposure": FIGURES,
        },
    ),
    Family(
        "unlearning",
        UNLEARNED,
        (
            "auc auc_change epsilon epsilon_ceiling flip_rate flip_rate_change flip_rate_gap forgetting forgotten "
            "forgotten_accuracy forgotten_accuracy_gap kept_accuracy kept_accuracy_gap kl kl_floor later_accuracy "
            "later_accuracy_gap models_never parameter_distance passes passes_share retained_accuracy "
            "retained_accuracy_gap score test_accuracy test_accuracy_gap test_macro_f1 test_macro_f1_gap tpr_at_fpr_@ "
            "unseen_accuracy unseen_accuracy_gap updates usable"
        ),
        {
            "unlearning-ulira": Attack("U-LiRA"),
            "unlearning-gap": Attack("Gap to retraining", CHECK),
            "unlearning-quality": Attack("Forgetting quality", CHECK),
            "unlearning-relearn": Attack("Relearning", CHECK),
            "unlearning-retained": Attack("What the retained give away"),
            "unlearning-robustness": Attack("Robustness", CHECK),
            "unlearning-cost": Attack("Cost", CHECK),
            "unlearning-verdict": Attack("Verdict", CHECK),
        },
        keys=("attacks.unlearning",),
        tables={
            "patients": FIGURES,
        },
    ),
    Family(
        "linkage",
        DATASET,
        (
            "by_chance classes columns disclosed excess isolated isolated_blindly joined journalist_max "
            "journalist_mean k_min l_min linked marketer persons_alone prosecutor_max right right_from_others "
            "same_person same_person_by_chance t_max t_mean under_5 unique"
        ),
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
        tables={
            "criteria": FIGURES,
        },
    ),
)
FAMILIES = {family.name: family for family in _ALL}
ATTACKS = {name: attack for family in _ALL for name, attack in family.attacks.items()}


def families_of(spec: Spec, modality: str, section: Section) -> list[Family]:
    """Return the families that a bank of K replicates faces, in their order."""
    return [family for family in _ALL if family.subject == BANK and family.applies(spec, modality, section)]
