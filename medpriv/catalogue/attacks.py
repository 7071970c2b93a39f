"""The attack families: whom each attacks, who the attacker is, what its attacks are called, and which tables it writes.

A family is a folder of results, a package or module of `medpriv.attacks`, and a job a bank. An attack's name in the
tables is the family's word and its own (`membership-rmia`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from medpriv.catalogue.networks import NETWORKS
from medpriv.catalogue.treatments import KINDS, STRATEGIES, Section, Spec

BANK, DATASET, PERSONALIZED, UNLEARNED = "bank", "dataset", "personalized", "unlearned"  # whom a family attacks
DERIVED = (PERSONALIZED, UNLEARNED)  # of each the rules are written out for one family

HOLDER = "whoever holds the model"
CURIOUS = "a server that follows the protocol and looks"
MALICIOUS = "a server that trains the clients' layers for its own ends"
OUTSIDER = "whoever sees the released table"
READER = "whoever sees the synthetic table and knows people like its patients"
CONTROL = "nobody: what is found without the model"
CHECK = "nobody: a check"

NOISY_MARGINALS = ("mst", "aim")  # generators whose guarantee is that of noisy counts
FIGURES, PATIENTS = "figures", "single patients"  # what a table speaks of


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
        applies: whether it makes sense for a bank of this treatment (None: of a dataset itself) on records of this
            modality, given the dataset's section of the config.
        keys: of the config, which its job asks for; the first is the family's own section.
        by_dataset: mappings of that section that go by the names of datasets.
        tables: that it writes beside `measures.csv`, by file stem; `PATIENTS` marks those that speak of single patients
            (a row a patient, or true values of a record), and so leave the machine for nobody.
        place: of its `audit`, in `medpriv.attacks`, where that is not the family's name.
        joint: a job attacks all banks of a dataset's stage, since one takes less than importing what it needs; its
            tables have a column `treatment`.
        base: its attackers know the language model that the bank's were fine-tuned from, which its job is given.
    """

    name: str
    subject: str
    told: str
    attacks: Mapping[str, Attack]
    applies: Callable[[Spec | None, str, Section], bool] = lambda spec, modality, section: True
    keys: tuple[str, ...] = ()
    by_dataset: tuple[str, ...] = ()
    tables: Mapping[str, str] = field(default_factory=dict)
    place: str = ""
    joint: bool = False
    base: bool = False

    def __post_init__(self) -> None:
        """Refuse an entry that nothing would carry out."""
        if faults := list(self._faults()):
            raise ValueError(f"medpriv/catalogue/attacks.py: family {self.name}: {'; '.join(faults)}")

    def _faults(self) -> Iterator[str]:
        if self.subject not in (BANK, DATASET, *DERIVED):
            yield f"subject {self.subject}: nobody attacks that; use {', '.join((BANK, DATASET, *DERIVED))}"
        if not self.attacks or not self.told.split():
            yield "it has no attacks or no measures: name them"
        if not self.keys:
            yield "keys are empty: name its own section of the config first"
        if self.joint and self.subject != BANK:
            yield f"joint: only families on a {BANK} have a job for a whole stage"
        for table, holds in self.tables.items():
            if holds not in (FIGURES, PATIENTS):
                yield f"table {table} holds {holds!r}: mark it FIGURES or PATIENTS"
            elif table == "measures":
                yield "table measures: every family has that, use another name"

    @property
    def names(self) -> dict[str, list[str]]:
        """What its job may write: names of attacks and of measures.

        What is said of personalised models themselves stands under no attack.
        """
        attacks = [*self.attacks, *[""] * (self.subject == PERSONALIZED)]
        return {"attacks": attacks, "measures": self.told.split()}

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
    return spec.kind == "classifier" and NETWORKS[network_of(spec, section)].gradients


_TOLD_BY_RELEASES = (
    "auc auc_all_rows auc_all_rows_difference auc_chance balanced_accuracy chosen_share epsilon_lower "
    "fpr_reached_@ match_share p_value passes tpr_at_fpr_@"
)
# By what was released who was trained on: the attacks on tables and on images, but for the family's word.
_ON_RELEASES = {
    "dcr": Attack("Distance to the closest record", READER),
    "dcr-difference": Attack("Distance, against the reference", READER),
    "adversarial": Attack("Nearest-neighbour adversary", READER),
    "monte-carlo": Attack("Monte Carlo", READER),
    "domias": Attack("DOMIAS", READER),
    "dpi": Attack("DPI", READER),
    "gen-lra": Attack("Gen-LRA", READER),
    "gan-leaks": Attack("GAN-leaks", READER),
    "logan": Attack("LOGAN", READER),
    "classifier": Attack("Classifier", READER),
    "local-density": Attack("Local density", READER),
    "ensemble": Attack("Ensemble of shadow features", READER),
    "meta": Attack("Learnt over the bank", READER),
    "diffusion-loss": Attack("Losses over time steps"),
    "diffusion-learnt": Attack("Losses, learnt over the bank"),
    "best": Attack("The strongest, chosen on other replicates", READER),
    "holdout": Attack("Matches with members and others", CHECK),
    "distance-check": Attack("The check of distances that data sheets state", CHECK),
    "null-members": Attack("Members against other members", CHECK),
    "null-shuffled": Attack("Membership shuffled", CHECK),
}
_IN_FEATURES = (
    *("dcr", "dcr-difference", "adversarial", "monte-carlo", "domias", "dpi", "gen-lra", "logan", "classifier"),
    "local-density",
)
_ON_IMAGES = _ON_RELEASES | {
    f"feature-{name}": replace(_ON_RELEASES[name], label=f"{_ON_RELEASES[name].label}, in features")
    for name in _IN_FEATURES
}
_ON_IMAGES["exemplar"] = Attack("Closest image, however moved or changed", READER)

_BY_WORDS = {  # by what a language model says of a text: the attacks of whoever knows it, or a paraphrase alone
    "loss": "Loss",
    "reference": "Loss, against the base",
    "reference-sum": "Loss, against the base, summed",
    "zlib": "Loss by compressed length",
    "min-k": "Min-K %",
    "min-k-plus": "Min-K %++",
    "dc-pdd": "DC-PDD",
    "hard-tokens": "Hard tokens",
    "ez": "EZ-MIA",
    "wbc": "Windows",
    "lira": "LiRA",
    "lira-offline": "LiRA offline",
    "rmia": "RMIA",
    "informia": "InfoRMIA",
    "bavaria": "BaVarIA",
    "best": "The strongest, chosen on other replicates",
}
_BY_EXACT_WORDS = {
    "lira-sequence": "LiRA of token losses",
    "lira-records": "LiRA of a patient’s records",
    "informia-token": "InfoRMIA by token",
    "learnt": "Learnt over the bank",
    "neighbourhood": "Neighbourhood",
    "recall": "ReCaLL",
    "paraphrase-gap": "Paraphrase gap",
    "paraphrase-gap-calibrated": "Paraphrase gap, against the base",
    "paraphrase-spread": "Spread of paraphrases",
    "extraction-verbatim": "Answers written down word for word",
    "extraction-approximate": "Answers written down nearly",
}
_IN_A_RANGE = {
    "range-mean": "Range of paraphrases, mean",
    "range-max": "Range of paraphrases, highest",
    "range-trimmed": "Range of paraphrases, trimmed mean",
}
_WITHOUT_WORDS = {
    "blind": ("Words and length alone", CONTROL),
    "blind-test": ("Words and length alone, against test patients", CONTROL),
    "null-base": ("The base, which saw nobody", CHECK),
    "null-members": ("Members against other members", CHECK),
    "null-shuffled": ("Membership shuffled", CHECK),
}
_ON_TEXTS = (
    {f"language-{name}": Attack(label) for name, label in (_BY_WORDS | _BY_EXACT_WORDS).items()}
    | {f"language-{name}-paraphrase": Attack(f"{label}, of a paraphrase") for name, label in _BY_WORDS.items()}
    | {f"language-{name}-paraphrase": Attack(label) for name, label in _IN_A_RANGE.items()}
    | {f"language-{name}": Attack(*about) for name, about in _WITHOUT_WORDS.items()}
)

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
        applies=lambda spec, modality, section: KINDS[spec.kind].membership == "membership",
        keys=("attacks.membership",),
        place="membership.audit",
        tables={
            "roc": FIGURES,
            "exposure": PATIENTS,
        },
    ),
    Family(
        "release",
        BANK,
        _TOLD_BY_RELEASES,
        {f"release-{name}": attack for name, attack in _ON_RELEASES.items()}
        | {"release-queries": Attack("Marginal queries", READER)},
        applies=lambda spec, modality, section: KINDS[spec.kind].membership == "release",
        keys=("attacks.release",),
        place="release.audit",
        tables={
            "roc": FIGURES,
            "exposure": PATIENTS,
        },
        joint=True,
    ),
    Family(
        "image_release",
        BANK,
        _TOLD_BY_RELEASES,
        {f"image-release-{name}": attack for name, attack in _ON_IMAGES.items()},
        applies=lambda spec, modality, section: KINDS[spec.kind].membership == "image_release",
        keys=("attacks.image_release",),
        place="image_release.audit",
        tables={
            "roc": FIGURES,
            "exposure": PATIENTS,
        },
        joint=True,
    ),
    Family(
        "image_copies",
        BANK,
        (
            "auc auc_filtered copied_patients copied_patients_difference copied_patients_others copy_share "
            "copy_share_difference copy_share_others copy_share_outsiders filter_dropped filter_missed planted_found"
        ),
        {
            "image-copies-features": Attack("Copies, by learnt features", READER),
            "image-copies-pixels": Attack("Copies, by pixels", READER),
            "image-filter": Attack("What a filter of near images misses", CHECK),
        },
        applies=lambda spec, modality, section: KINDS[spec.kind].membership == "image_release",
        keys=("attacks.image_copies",),
        place="image_copies.audit",
        tables={
            "examples": PATIENTS,
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
        applies=lambda spec, modality, section: KINDS[spec.kind].membership == "release",
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
            "examples": PATIENTS,
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
        applies=lambda spec, modality, section: spec.guaranteed and spec.kind == "classifier",
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
        "synthetic_image_epsilon",
        BANK,
        "epsilon_lower violations",
        {"audit-embedding": Attack("Canaries in the noisy embedding", CHECK)},
        applies=lambda spec, modality, section: spec.parts.get("generator") == "dp_merf",
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
            "examples": PATIENTS,
        },
    ),
    Family(
        "split_server",
        BANK,
        (
            "accuracy accuracy_majority auc balanced_accuracy distance_correlation distance_correlation_shuffled "
            "explained fpr_reached_@ mae mae_median recovered recovered_mode rmse rmse_mean tpr_at_fpr_@"
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
            "examples": PATIENTS,
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
            "patients": PATIENTS,
            "exposure": PATIENTS,
        },
    ),
    Family(
        "unlearning",
        UNLEARNED,
        (
            "auc auc_change bound bound_after_one_step bound_allowed certified_share epsilon epsilon_ceiling "
            "flip_rate flip_rate_change flip_rate_gap forgetting forgotten forgotten_accuracy forgotten_accuracy_gap "
            "kept_accuracy kept_accuracy_gap kl kl_floor later_accuracy later_accuracy_gap models_never "
            "parameter_distance passes passes_share retained_accuracy retained_accuracy_gap score test_accuracy "
            "test_accuracy_gap test_macro_f1 test_macro_f1_gap tpr_at_fpr_@ unseen_accuracy unseen_accuracy_gap "
            "updates usable"
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
            "patients": PATIENTS,
        },
    ),
    Family(
        "language",
        BANK,
        (
            "auc auc_chance auc_of_replicate balanced_accuracy chosen_share extracted_members extracted_others "
            "extraction_gain fpr_reached_@ split_leaks tpr_at_fpr_@"
        ),
        _ON_TEXTS,
        applies=lambda spec, modality, section: spec.word in ("lm", "lm-dp"),
        keys=("attacks.language",),
        place="language.audit",
        tables={
            "roc": FIGURES,
            "exposure": PATIENTS,
            "tokens": PATIENTS,
        },
        base=True,
    ),
    Family(
        "language_epsilon",
        BANK,
        "epsilon_accountant epsilon_lower violations",
        {
            "language-accountant": Attack("The accountant’s claim", CHECK),
            "language-audit": Attack("Canaries in one run"),
        },
        applies=lambda spec, modality, section: spec.word == "lm-dp",
        keys=("attacks.language_epsilon",),
        joint=True,
    ),
    Family(
        "language_canaries",
        BANK,
        "auc exposure_bits exposure_bits_expected exposure_bits_most extracted extracted_nearly gain rho tpr_at_fpr_@",
        {
            "language-canaries-exposure": Attack("Exposure of planted records"),
            "language-canaries-extraction": Attack("Planted answers written down"),
            "language-canaries-gain": Attack("Gain by planting", CHECK),
            "language-canaries-fuzzy": Attack("Worth of fuzzy copies", CHECK),
            "language-canaries-loss": Attack("Loss of planted records"),
            "language-canaries-reference": Attack("Loss of planted records, against the base"),
            "language-canaries-calibrated": Attack("Loss of planted records, against other models"),
        },
        applies=lambda spec, modality, section: spec.word == "lm-canaries",
        keys=("attacks.language_canaries",),
        tables={
            "canaries": FIGURES,
        },
        base=True,
    ),
    Family(
        "language_forgetting",
        BANK,
        (
            "auc auc_gap forgotten over_forgotten passes passes_share perplexity perplexity_ratio updates "
            "updates_share usable"
        ),
        {
            "language-forgetting-loss": Attack("Loss of forgotten patients"),
            "language-forgetting-reference": Attack("Loss of forgotten patients, against the base"),
            "language-forgetting-use": Attack("Use after forgetting", CHECK),
            "language-forgetting-cost": Attack("Cost of forgetting", CHECK),
            "language-forgetting-verdict": Attack("Verdict on forgetting", CHECK),
        },
        applies=lambda spec, modality, section: spec.word == "lm-unlearned",
        keys=("attacks.language_forgetting",),
        tables={
            "patients": PATIENTS,
        },
        joint=True,
        base=True,
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
        place="linkage.audit",
        by_dataset=("sets", "sensitive"),
        tables={
            "criteria": FIGURES,
        },
    ),
)


def check_families(families: Sequence[Family]) -> None:
    """Refuse families that stand in each other's way.

    Raises:
        ValueError: two have one name, an attack of the same name, or one subject whose rules serve one family; or a
            kind of models has a family of membership that isn't there.
    """
    names, attacks, subjects = (
        [family.name for family in families],
        [name for family in families for name in family.attacks],
        [family.subject for family in families if family.subject in DERIVED],
    )
    faults = [f"two families are called {name}" for name in _twice(names)]
    faults += [f"two families have an attack {name}" for name in _twice(attacks)]
    faults += [f"two families attack {name}: its rules serve one, write the other's first" for name in _twice(subjects)]
    faults += [
        f"{name} models: no family {kind.membership}" for name, kind in KINDS.items() if kind.membership not in names
    ]
    if faults:
        raise ValueError(f"medpriv/catalogue/attacks.py: {'; '.join(faults)}")


def _twice(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


FAMILIES = {family.name: family for family in _ALL}
check_families(_ALL)
ATTACKS = {name: attack for family in _ALL for name, attack in family.attacks.items()}


def families_of_bank(spec: Spec, modality: str, section: Section) -> list[Family]:
    """Return the families that a bank of K replicates faces, in their order."""
    return [family for family in _ALL if family.subject == BANK and family.applies(spec, modality, section)]


def families_of_dataset(modality: str, section: Section) -> list[Family]:
    """Return the families that a dataset itself faces, whatever is trained on it."""
    return [family for family in _ALL if family.subject == DATASET and family.applies(None, modality, section)]
