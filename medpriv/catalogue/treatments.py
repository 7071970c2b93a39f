"""The treatments: how their names are formed, in which stage they are made, and what is known of them by name alone.

A treatment's name is formed from its parts (`dp-sgd-mlp-eps8`: mechanism, model, epsilon), and `spec_of` reads them
back. Everything that knows treatments by name asks here.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from medpriv.catalogue.generators import GENERATORS

Parts = dict[str, Any]  # name -> text, integer or float
Section = Mapping[str, Any]  # a dataset's section of the checked config


@dataclass(frozen=True)
class Treatment:
    """One way to make banks.

    Attributes:
        word: with which the names of its banks begin.
        stage: in which they are made; a folder below `results/`.
        section: under which a dataset's config asks for them.
        kind: what its banks are of, a key of `KINDS`; of generators, each says what it makes (`Spec.kind`).
        label: what it does, in a few words.
        form: of its names.
        parts: from a dataset's section, the parts of every bank asked for, in the config's order.
        origin: what its models are made from: "" from the members' records, or the word of the treatment whose models
            it changes (a derived bank, made for single patients).
        guaranteed: whether a bank of these parts has an epsilon of its own.
        sharded: its replicates are trained in shards, which a job joins.
        control: what all its banks show, where nobody would use them; empty for others.
    """

    word: str
    stage: str
    section: str
    label: str
    form: str
    parts: Callable[[Section], Iterator[Parts]]
    kind: str = "classifier"
    origin: str = ""
    guaranteed: Callable[[Parts], bool] = lambda parts: False
    sharded: bool = True
    control: str = ""

    @property
    def part_names(self) -> list[str]:
        """The names of the parts of its banks' names."""
        return re.findall(r"\{(\w+)\}", self.form)

    def name(self, parts: Parts) -> str:
        """Return the name of the bank with these parts."""
        return self.form.format(
            **{key: f"{part:g}" if isinstance(part, float) else part for key, part in parts.items()}
        )


@dataclass(frozen=True)
class Spec:
    """One bank's treatment.

    Attributes:
        word: of the treatment, a key of `TREATMENTS`.
        parts: what the name says beside.
    """

    word: str
    parts: Parts = field(default_factory=dict)

    @property
    def treatment(self) -> Treatment:
        """What is known of all its kind."""
        return TREATMENTS[self.word]

    @property
    def name(self) -> str:
        """Its name, as in paths and tables."""
        return self.treatment.name(self.parts)

    @property
    def kind(self) -> str:
        """What its models are, a key of `KINDS`."""
        generator = self.parts.get("generator")
        return GENERATORS[generator].kind if generator else self.treatment.kind

    @property
    def control(self) -> str:
        """What it shows, for one that nobody would use; empty for the others."""
        generator, method = self.parts.get("generator"), self.parts.get("method")
        if generator:
            return GENERATORS[generator].control
        return METHODS[method].control if method in METHODS else self.treatment.control

    @property
    def guaranteed(self) -> bool:
        """Whether it has an epsilon of its own."""
        return self.treatment.guaranteed(self.parts)


@dataclass(frozen=True)
class Figure:
    """A measure by which a kind of model is compared.

    Attributes:
        measure: its name in the tables.
        better: `higher` or `lower`.
        two_classes: it stands for models of two classes alone.
    """

    measure: str
    better: str = "higher"
    two_classes: bool = False


@dataclass(frozen=True)
class Kind:
    """What a bank's models are.

    Attributes:
        outputs: the file of what they say, which the audits read.
        figures: how good they are, by the first of these that was measured.
        told: the names of their measures of use, between blanks.
        module: that measures their use, by a function `audit(dataset, bank, reference, settings, seed)`.
        tables: that it writes beside `utility.csv`.
        rows_of_patients: the outputs may hold true values of single patients' records (a generator can copy them), so
            they leave the machine for nobody.
        joint: a job measures all banks of a dataset's stage, which share what is dear, by the module's `audit_stage`.
        settings: the section of the config that the measuring hangs on.
        membership: the attack family that says how far its members can be told.
        generators: the package with the modules that fit its generators; empty for what is no generator.
        trainer: the module that fits a bank of them.
    """

    outputs: str
    figures: tuple[Figure, ...]
    told: str
    module: str
    tables: tuple[str, ...] = ()
    rows_of_patients: bool = False
    joint: bool = False
    settings: str = "measures"
    membership: str = "membership"
    generators: str = ""
    trainer: str = ""

    @property
    def file(self) -> str:
        """That module's file, from the project's folder."""
        return f"{self.module.replace('.', '/')}.py"

    @property
    def names(self) -> dict[str, list[str]]:
        """What the job may write that measures the use of its banks: names of attacks (none) and of measures."""
        return {"attacks": [""], "measures": self.told.split()}


KINDS = {
    "classifier": Kind(
        "predictions.safetensors",
        (Figure("auroc", two_classes=True), Figure("macro_f1"), Figure("accuracy")),
        "accuracy accuracy_difference accuracy_over_majority auprc auprc_difference auroc auroc_difference "
        "balanced_accuracy brier ece generalisation_gap macro_f1 macro_f1_difference ppv sensitivity train_accuracy",
        "medpriv.measures.utility",
        ("reliability",),
    ),
    "table_generator": Kind(
        "samples.safetensors",
        (Figure("tstr_auroc"), Figure("tstr_accuracy"), Figure("quality")),
        (
            "alpha_precision association_gap_max association_gap_mean augmented_accuracy "
            "augmented_accuracy_difference augmented_auroc augmented_auroc_difference beta_recall c2st_auc "
            "c2st_p column_shapes equivalence_p pair_similarity pair_trends provable_margin proved_margin "
            "quality rules_broken trtr_accuracy trtr_auroc trts_accuracy trts_auroc tstr_accuracy "
            "tstr_accuracy_difference tstr_auroc tstr_auroc_difference verdict_equivalent"
        ),
        "medpriv.measures.synthetic_utility",
        ("marginals", "rules"),
        rows_of_patients=True,
        joint=True,
        settings="measures.synthetic",
        membership="release",
        generators="medpriv.synthesis",
        trainer="medpriv.treatments.synthetic",
    ),
    "image_generator": Kind(
        "samples.safetensors",
        (Figure("tstr_auroc"), Figure("tstr_accuracy"), Figure("kid", "lower")),
        (
            "alpha_precision augmented_accuracy augmented_accuracy_difference augmented_auroc "
            "augmented_auroc_difference beta_recall c2st_auc c2st_p equivalence_p kid provable_margin proved_margin "
            "trtr_accuracy trtr_auroc trts_accuracy trts_auroc tstr_accuracy tstr_accuracy_difference tstr_auroc "
            "tstr_auroc_difference verdict_equivalent"
        ),
        "medpriv.measures.image_utility",
        rows_of_patients=True,
        joint=True,
        settings="measures.synthetic_images",
        membership="image_release",
        generators="medpriv.image_synthesis",
        trainer="medpriv.treatments.synthetic_images",
    ),
    "language_model": Kind(
        "token_scores.safetensors",
        (Figure("perplexity", "lower"), Figure("token_f1"), Figure("exact_match")),
        (
            "ece ece_difference exact_match exact_match_difference perplexity perplexity_difference token_f1 "
            "token_f1_difference"
        ),
        "medpriv.measures.language_utility",
        membership="language",
    ),
}


@dataclass(frozen=True)
class Strategy:
    """A strategy of federated learning.

    Attributes:
        sees: what reaches the server, in words.
        silent: the server sees no update, or none of a whole model.
        guaranteed: it has an epsilon of its own.
        deals: it deals the patients out itself, and needs no sites.
        deployed: it runs between hospitals, too (`medpriv.flower`).
    """

    sees: str = "each client's model"
    silent: bool = False
    guaranteed: bool = False
    deals: bool = False
    deployed: bool = False


STRATEGIES = {
    "avg": Strategy(deployed=True),
    "prox": Strategy(deployed=True),
    "scaffold": Strategy(deployed=True),
    "adam": Strategy(deployed=True),
    "yogi": Strategy(deployed=True),
    "bn": Strategy(silent=True, deployed=True),
    "local": Strategy("nothing", silent=True),
    "cyclic": Strategy("the model after each client, in turn", deployed=True),
    "iid": Strategy(deals=True),
    "dirichlet": Strategy(deals=True),
    "client_dp": Strategy("each client's clipped change, before the noise", guaranteed=True),
    "sample_dp": Strategy("each client's model, trained with differential privacy", guaranteed=True),
    "secure": Strategy("the weighted mean of the clients' changes", deployed=True),
}


@dataclass(frozen=True)
class Method:
    """A way to make a model forget.

    Attributes:
        label: as the field writes it.
        control: what it shows, for one that is no method; empty for a method.
        personal: it answers for a personalised model, too.
    """

    label: str
    control: str = ""
    personal: bool = True


METHODS = {
    "retrain": Method("Retraining"),
    "finetune": Method("Fine-tuning"),
    "cf_k": Method("CF-k"),
    "eu_k": Method("EU-k"),
    "neggrad": Method("NegGrad+"),
    "scrub": Method("SCRUB"),
    "relabel": Method("Random relabelling"),
    "badteacher": Method("Bad teacher"),
    "ssd": Method("SSD"),
    "ssd_labelfree": Method("Label-free SSD"),
    "fisher": Method("Fisher forgetting"),
    "amnesiac": Method("Amnesiac"),
    "sisa": Method("SISA", personal=False),  # a personalised model has no shards
    "certified": Method("Certified removal"),
    "fake": Method("Fake", control="control: changes nothing"),
    "destroyed": Method("Destroyed", control="control: an untrained model"),
}
VARIANTS = {"all": "all weights", "head": "last layer alone", "regularized": "all weights, pulled back"}


def chosen(sections: Mapping[str, Any] | None) -> list[str]:
    """Return the names of the sections that are there (an absent one is null)."""
    return [name for name, section in (sections or {}).items() if section is not None]


def _baselines(section: Section) -> Iterator[Parts]:
    yield from ({"model": model} for model in chosen(section["baselines"]))


def _robust(section: Section) -> Iterator[Parts]:
    yield from ({"defence": name} for name in chosen((section.get("robust") or {}).get("defences")))


def _personalized(section: Section) -> Iterator[Parts]:
    yield from ({"variant": name} for name in VARIANTS if (section.get("personalization") or {}).get(name))


def _unlearned(section: Section) -> Iterator[Parts]:
    yield from ({"method": name} for name in chosen((section.get("unlearning") or {}).get("methods")))


def _unlearned_personal(section: Section) -> Iterator[Parts]:
    if (section.get("unlearning") or {}).get("personal"):
        yield from (parts for parts in _unlearned(section) if METHODS[parts["method"]].personal)


def _private(section: Section) -> Iterator[Parts]:
    private = section.get("private") or {}
    for model in chosen(private.get("models")):
        for mechanism in chosen(private["models"][model]):
            for epsilon in private["epsilons"]:
                yield {"mechanism": mechanism, "model": model, "epsilon": float(epsilon)}


def _federated(section: Section) -> Iterator[Parts]:
    yield from ({"strategy": name} for name in chosen((section.get("federated") or {}).get("strategies")))


def _split(section: Section) -> Iterator[Parts]:
    split = section.get("split") or {}
    for variant in chosen(split.get("variants")):
        yield from ({"topology": variant, "cut": cut} for cut in split["variants"][variant]["cuts"])


def _generators(section: Section) -> Iterator[str]:
    asked = chosen((section.get("synthetic") or {}).get("generators"))
    yield from (name for name, generator in GENERATORS.items() if (generator.package or name) in asked)


def _synthetic(section: Section) -> Iterator[Parts]:
    yield from ({"generator": name} for name in _generators(section) if not GENERATORS[name].guaranteed)


def _synthetic_private(section: Section) -> Iterator[Parts]:
    for name in _generators(section):
        if GENERATORS[name].guaranteed:
            yield from ({"generator": name, "epsilon": float(one)} for one in section["synthetic"]["epsilons"])


def _synthetic_varied(section: Section) -> Iterator[Parts]:
    for name, variations in ((section.get("synthetic") or {}).get("variations") or {}).items():
        yield from ({"generator": name, "variation": variation} for variation in chosen(variations))


def _language_base(section: Section) -> Iterator[Parts]:
    if section.get("language"):
        yield {}


def _language_private(section: Section) -> Iterator[Parts]:
    private = (section.get("language") or {}).get("private") or {}
    for setting in chosen(private.get("settings")):
        yield from ({"setting": setting, "epsilon": float(epsilon)} for epsilon in private["epsilons"])


def _canaries(section: Section) -> Iterator[Parts]:
    if (section.get("language") or {}).get("canaries"):
        yield {}


def _language_unlearned(section: Section) -> Iterator[Parts]:
    unlearning = (section.get("language") or {}).get("unlearning") or {}
    yield from ({"method": name} for name in chosen(unlearning.get("methods")))


def _tuned(section: Section) -> Iterator[Parts]:
    language = section.get("language") or {}
    for tuning in chosen(language.get("tunings")):
        yield from ({"tuning": tuning, "epoch": epoch} for epoch in language["epochs"])


_ALL = (
    Treatment("baseline", "baselines", "baselines", "no defence", "baseline-{model}", _baselines),
    Treatment("robust", "robust", "robust", "trained to resist changes", "robust-{defence}", _robust),
    Treatment(
        "personalized",
        "personalized",
        "personalization",
        "adapted to each patient",
        "personalized-{variant}",
        _personalized,
        origin="baseline",
    ),
    Treatment(
        "unlearned",
        "unlearned",
        "unlearning",
        "patients removed afterwards",
        "unlearned-{method}",
        _unlearned,
        origin="baseline",
    ),
    Treatment(
        "unlearned-personal",
        "unlearned",
        "unlearning",
        "patients removed afterwards",
        "unlearned-{method}-personal",
        _unlearned_personal,
        origin="personalized",
    ),
    Treatment(
        "dp",
        "private",
        "private",
        "differential privacy",
        "dp-{mechanism}-{model}-eps{epsilon}",
        _private,
        guaranteed=lambda parts: True,
    ),
    Treatment(
        "fed",
        "federated",
        "federated",
        "federated training",
        "fed-{strategy}",
        _federated,
        guaranteed=lambda parts: STRATEGIES[parts["strategy"]].guaranteed,
    ),
    Treatment("split", "split", "split", "split learning", "split-{topology}-cut{cut}", _split),
    Treatment(
        "synthetic-dp",
        "synthetic",
        "synthetic",
        "synthetic records with differential privacy",
        "synthetic-{generator}-eps{epsilon}",
        _synthetic_private,
        kind="table_generator",
        guaranteed=lambda parts: True,
        sharded=False,
    ),
    Treatment(
        "synthetic",
        "synthetic",
        "synthetic",
        "synthetic records",
        "synthetic-{generator}",
        _synthetic,
        kind="table_generator",
        sharded=False,
    ),
    Treatment(
        "synthetic-varied",
        "synthetic",
        "synthetic",
        "synthetic records, other settings",
        "synthetic-{generator}-{variation}",
        _synthetic_varied,
        kind="table_generator",
        sharded=False,
    ),
    Treatment(
        "lm-base",
        "language",
        "language",
        "the language model before any patient",
        "lm-base",
        _language_base,
        kind="language_model",
        sharded=False,
        control="control: trained on no patient",
    ),
    Treatment(
        "lm-dp",
        "language",
        "language",
        "fine-tuned with differential privacy",
        "lm-dp-{setting}-eps{epsilon}",
        _language_private,
        kind="language_model",
        guaranteed=lambda parts: True,
        sharded=False,
    ),
    Treatment(
        "lm-canaries",
        "language",
        "language",
        "fine-tuned with planted records beside",
        "lm-canaries",
        _canaries,
        kind="language_model",
        sharded=False,
    ),
    Treatment(
        "lm-unlearned",
        "language",
        "language",
        "patients removed afterwards",
        "lm-unlearned-{method}",
        _language_unlearned,
        kind="language_model",
        sharded=False,
    ),
    Treatment(
        "lm",
        "language",
        "language",
        "fine-tuned",
        "lm-{tuning}-epoch{epoch}",
        _tuned,
        kind="language_model",
        sharded=False,
    ),
)
TREATMENTS = {treatment.word: treatment for treatment in _ALL}  # in the order in which data flows
STAGES = tuple(dict.fromkeys(treatment.stage for treatment in _ALL))

_NUMBERS = {"epsilon": float, "cut": int, "epoch": int}


def _pattern(form: str) -> re.Pattern[str]:
    number = r"[\d.e+-]+"
    return re.compile(
        re.sub(r"\{(\w+)\}", lambda part: f"(?P<{part[1]}>{number if part[1] in _NUMBERS else '[^-]+'})", form)
    )


_PATTERNS = {word: _pattern(treatment.form) for word, treatment in TREATMENTS.items()}


def spec_of(name: str) -> Spec:
    """Return the treatment of a name.

    Raises:
        KeyError: no treatment forms such a name.
    """
    for word, pattern in _PATTERNS.items():
        if found := pattern.fullmatch(name):
            return Spec(word, {key: _NUMBERS.get(key, str)(text) for key, text in found.groupdict().items()})
    raise KeyError(f"no treatment has names like {name}")


def check_treatments(treatments: Sequence[Treatment]) -> None:
    """Refuse treatments that nothing could tell apart, or that build on what isn't there.

    Raises:
        ValueError: two have one word, another one's pattern takes the names of one, or a kind (of a generator,
            too) or an origin is unknown.
    """
    words = [treatment.word for treatment in treatments]
    patterns = {treatment.word: _pattern(treatment.form) for treatment in treatments}
    faults = [f"two treatments are called {word}" for word in patterns if words.count(word) > 1]
    for treatment in treatments:
        name = treatment.name(
            {part: {float: 1.5, int: 1}.get(_NUMBERS.get(part), "x") for part in treatment.part_names}
        )
        taken = next((word for word, pattern in patterns.items() if pattern.fullmatch(name)), treatment.word)
        if taken != treatment.word:
            faults.append(f"{treatment.word}: {name} would be read as {taken}; put it before, or use another form")
        if treatment.kind not in KINDS:
            faults.append(f"{treatment.word}: no kind {treatment.kind}")
        if treatment.origin not in ("", *words):
            faults.append(f"{treatment.word}: no origin {treatment.origin}")
    faults += [f"generator {name}: no kind {one.kind}" for name, one in GENERATORS.items() if one.kind not in KINDS]
    if faults:
        raise ValueError(f"medpriv/catalogue/treatments.py: {'; '.join(faults)}")


check_treatments(_ALL)


def specs_of(section: Section) -> list[Spec]:
    """Return every bank that a dataset's section asks for, in the order of the stages."""
    return [Spec(word, parts) for word, treatment in TREATMENTS.items() for parts in treatment.parts(section)]


def stage_of(name: str) -> str:
    """Return the stage that makes the bank of a name."""
    return spec_of(name).treatment.stage


def kind_of_bank(name: str) -> Kind:
    """Return what the models of the bank of a name are."""
    return KINDS[spec_of(name).kind]
