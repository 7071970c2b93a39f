"""Synthetic tables: of what use they are, how like real ones, and which patients can be told from them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from medpriv.catalogue.attacks import FAMILIES
from medpriv.catalogue.treatments import GENERATORS, Generator, Spec, spec_of
from medpriv.measures.classifiers import CLASSIFIERS
from medpriv.measures.table import Measure
from medpriv.measures.verdicts import verdict_name
from medpriv.report.comparison import Headline
from medpriv.report.differences import by_dataset
from medpriv.report.drawing import Figure
from medpriv.report.formatting import number, percent, signed, span
from medpriv.report.labels import attack_name
from medpriv.report.layout import NOTHING, Cell, Column, Row, Table, columns_over, value_cell
from medpriv.report.results import Group, Result, Results, highest, parse_group, resolved
from medpriv.report.section import Section
from medpriv.report.sections.synthetic import drawn, subgroups

PATIENT: Group = {"level": "patient"}
CEILING: Group = {"rows": "members"}  # the replicate's own members, compared with the test rows
BY_AUROC: Group = {"figure": "auroc"}
BEST, HOLDOUT, CLOSEST = "release-best", "release-holdout", "release-dcr"
CHECK = "release-distance-check"
NULLS = ("release-null-members", "release-null-shuffled")
AUDIT = "audit-marginals"
AUC = "auc"


@dataclass(frozen=True)
class Released:
    """One bank of generators, with the figures that the section asks for by name."""

    item: Headline

    @property
    def result(self) -> Result:
        """The bank."""
        return self.item.result

    @property
    def spec(self) -> Spec:
        """What its name says."""
        return spec_of(self.result.treatment)

    @property
    def generator(self) -> Generator:
        """The generator, as the catalogue has it."""
        return GENERATORS[self.spec.parts["generator"]]

    @property
    def label(self) -> str:
        """The generator's name, with the guarantee or the variation."""
        parts = self.spec.parts
        more = [f"ε = {parts['epsilon']:g}"] if "epsilon" in parts else []
        more += [parts["variation"].replace("_", " ")] if "variation" in parts else []
        return ", ".join((self.generator.label, *more))

    def use(self, measure: str, group: Group | None = None) -> Measure | None:
        """Return a figure of its use."""
        return self.result.utility.find(measure, group or {})

    def attack(self, attack: str, measure: str = AUC) -> Measure | None:
        """Return a figure of an attack on whole patients; of a score read in several ways, as it is."""
        plain = self.result.attacks.find(measure, {"statistic": "plain", **PATIENT}, attack)
        return plain or self.result.attacks.find(measure, PATIENT, attack)

    def strongest_reading(self, attack: str) -> Measure | None:
        """Return the highest AUC of a score, however it is read."""
        found = [item for item in self.result.attacks.holding(AUC, PATIENT, attack) if item.attack == attack]
        return highest(item for item in found if set(parse_group(item.group)) <= {"statistic", "level"})


@dataclass(frozen=True)
class Judged:
    """The generators of one dataset.

    Attributes:
        table: use, likeness and leaks of each.
        likeness: more of how like real rows those of each are.
        subgroups: whom training on the rows of each serves worst; None where no part of the patients is told apart.
        disclosed: what the rows of each disclose of single people.
        attacks: every attack on each.
    """

    dataset: str
    banks: tuple[Released, ...]
    table: Table
    likeness: Table
    subgroups: Table | None
    disclosed: Table
    attacks: Table


@dataclass(frozen=True)
class Claim:
    """What the work that is reproduced says, and the banks that can tell.

    Attributes:
        name: of the claim, by which the template words it.
        dataset: on which.
        banks: those that it speaks of.
        base: what they are compared with; None where there is none.
    """

    name: str
    dataset: str
    banks: tuple[Released, ...]
    base: Released | None = None

    @property
    def equivalent(self) -> list[Released]:
        """The banks whose equivalence with real data is shown."""
        return [bank for bank in self.banks if _says(bank, "supported")]

    @property
    def different(self) -> list[Released]:
        """The banks that are shown not to be equivalent."""
        return [bank for bank in self.banks if _says(bank, "contradicted")]

    @property
    def tested(self) -> str:
        """How many patients the banks' use rests on, from the fewest to the most."""
        return span([used.patients for bank in self.banks if (used := bank.use("tstr_auroc"))] or [0])

    @property
    def attacked(self) -> str:
        """How many patients were attacked, likewise; empty where none were."""
        counts = [found.patients or found.n for bank in self.banks if (found := bank.attack(BEST))]
        return span(counts) if counts else ""

    @property
    def on_real(self) -> list[tuple[str, Measure]]:
        """Each classifier's accuracy trained on real rows, from the lowest to the highest."""
        held = ((name, self.banks[0].use("trtr_accuracy", {"classifier": name})) for name in CLASSIFIERS)
        return sorted(((name, used) for name, used in held if resolved(used)), key=lambda pair: pair[1].value)

    def verdicts(self, bank: Released) -> dict[str, list[str]]:
        """Return, of one of the banks, which classifiers' accuracy is equivalent, isn't, or undecided: by verdict."""
        found: dict[str, list[str]] = {"supported": [], "contradicted": [], "undecided": []}
        for name in CLASSIFIERS:
            told = bank.use("verdict_equivalent", {"figure": "accuracy", "classifier": name})
            if told:
                found.setdefault(verdict_name(told.value), []).append(name.replace("_", " "))
        return {verdict: names for verdict, names in found.items() if names}

    @property
    def found(self) -> list[Released]:
        """The banks by which the strongest attack tells members, beyond chance."""
        return [bank for bank in self.banks if told_beyond_chance(bank)]


@dataclass(frozen=True)
class Synthetic:
    """What the section says.

    Attributes:
        judged: by dataset.
        front, classifiers, marginals: figures.
        fooled: banks whose members the strongest attack tells, though the distance to the closest record sees nothing.
        claims: of the work that is reproduced.
    """

    judged: tuple[Judged, ...]
    front: Figure
    classifiers: Figure
    marginals: Figure | None
    fooled: tuple[Released, ...]
    claims: tuple[Claim, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures in the order of the page."""
        return tuple(filter(None, (self.front, self.classifiers, self.marginals)))


def collect(results: Results, headlines: Sequence[Headline]) -> Synthetic | None:
    """Return what the section says; None without a bank of generators."""
    groups = {
        dataset: tuple(Released(item) for item in own if spec_of(item.result.treatment).kind == "table_generator")
        for dataset, own in by_dataset(headlines).items()
    }
    groups = {dataset: own for dataset, own in groups.items() if own}
    if not groups:
        return None
    everyone = [bank for own in groups.values() for bank in own]
    return Synthetic(
        tuple(_judged(dataset, own, results.cohorts[dataset].credentialed) for dataset, own in groups.items()),
        drawn.draw_front(groups),
        drawn.draw_classifiers(groups),
        drawn.draw_marginals(groups),
        tuple(bank for bank in everyone if told_beyond_chance(bank) and not _above_half(bank.attack(CLOSEST))),
        tuple(claim for dataset, own in groups.items() for claim in _claims(dataset, own)),
    )


def told_beyond_chance(bank: Released) -> bool:
    """Tell whether the strongest attack, chosen on other replicates, lies above where chance takes it."""
    found, chance = bank.attack(BEST), bank.attack(BEST, "auc_chance")
    return resolved(found) and found.lower > max(0.5, chance.upper if resolved(chance) else 0.5)


def _above_half(measure: Measure | None) -> bool:
    return resolved(measure) and measure.lower > 0.5


def _says(bank: Released, verdict: str) -> bool:
    told = bank.use("verdict_equivalent", BY_AUROC)
    return resolved(told) and verdict_name(told.value) == verdict


def _claims(dataset: str, banks: Sequence[Released]) -> list[Claim]:
    by_name = {bank.result.treatment: bank for bank in banks}
    networks = [by_name[name] for name in ("synthetic-gan", "synthetic-sdv_ctgan") if name in by_name]
    base = by_name.get("synthetic-gan")
    varied = [bank for bank in banks if bank.spec.parts["generator"] == "gan" and "variation" in bank.spec.parts]
    noisy = [bank for bank in varied if any((bank.result.hyperparameters.get("perturbation") or {}).values())]
    tuned = [bank for bank in varied if bank not in noisy]
    private = [bank for bank in banks if bank.spec.guaranteed]
    claims = (
        Claim("comparable", dataset, tuple(networks)),
        Claim("tuning", dataset, tuple(tuned), base),
        Claim("privacy", dataset, tuple(private), base),
        Claim("perturbation", dataset, tuple(noisy), base),
    )
    return [claim for claim in claims if claim.banks]


def _judged(dataset: str, banks: tuple[Released, ...], credentialed: bool) -> Judged:
    return Judged(
        dataset,
        banks,
        _table(dataset, banks),
        Table(f"How like real rows, {dataset}", "Generator", LIKENESS, tuple(map(_row, banks))),
        subgroups.table(dataset, banks, credentialed),
        _disclosed_table(dataset, banks),
        _attacks_table(dataset, banks),
    )


# --- tables ---------------------------------------------------------------------------------------------------------


def _table(dataset: str, banks: Sequence[Released]) -> Table:
    rows = tuple(
        Row(
            bank.label,
            bank,
            below=tuple(filter(None, (bank.generator.control, _columns_of(bank)))),
            control=bool(bank.generator.control),
        )
        for bank in banks
    )
    return Table(f"Synthetic tables of {dataset}", "Generator", COLUMNS, rows)


def _row(bank: Released) -> Row:
    return Row(bank.label, bank, control=bool(bank.generator.control))


def _columns_of(bank: Released) -> str:
    """Return the columns that a generator was told to take; empty where it takes all."""
    chosen = bank.result.hyperparameters.get("columns")
    return f"of {len(chosen)} columns alone: {', '.join(chosen)}" if chosen else ""


def _real_cell(bank: Released) -> Cell:
    """Return what training on synthetic rows costs, with the verdict and what so many patients can prove."""
    lost, verdict, provable = (
        bank.use("tstr_auroc_difference"),
        bank.use("verdict_equivalent", BY_AUROC),
        bank.use("provable_margin", BY_AUROC),
    )
    told = {"supported": "equivalent", "contradicted": "not equivalent"}
    name = verdict_name(verdict.value) if verdict else ""
    words = told.get(name, name)
    margin = f"provable: ±{number(provable.value)}" if resolved(provable) else ""
    return value_cell(lost, signed=True).below(words, margin)


def _likeness(measure: str) -> Callable[[Released], Cell]:
    """Return the function to a figure of likeness, with the same of real members: the ceiling."""

    def cell(bank: Released) -> Cell:
        ceiling = bank.use(measure, CEILING)
        return value_cell(bank.use(measure)).below(f"members: {number(ceiling.value)}" if resolved(ceiling) else "")

    return cell


def _best_cell(bank: Released) -> Cell:
    found, chance = bank.attack(BEST), bank.attack(BEST, "auc_chance")
    luck = f"by luck up to {number(chance.upper)}" if resolved(chance) else ""
    attacked = f"{found.patients or found.n} patients" if resolved(found) else ""
    return value_cell(found).below(attacked, luck, _chosen(bank))


def _chosen(bank: Released) -> str:
    """Return the score that is the strongest for most replicates."""
    top = highest(bank.result.attacks.holding("chosen_share", PATIENT))
    return attack_name(top.attack) if top else ""


def _guarantee_cell(bank: Released) -> Cell:
    """Return the accountant's epsilon, or that there is none, with what the holdout test proves at least."""
    privacy, least = bank.result.metadata.get("privacy"), bank.attack(HOLDOUT, "epsilon_lower")
    claimed = f"ε = {number(privacy['epsilon'], 2)}" if privacy else "no guarantee"
    below = f"matches: at least {number(least.value, 2)}" if resolved(least) and least.value > 0 else ""
    canaries = next((item for item in bank.result.attacks.holding("epsilon_lower", attack=AUDIT)), None)
    audited = f"canaries: at least {number(canaries.value, 2)}" if resolved(canaries) else ""
    return Cell(claimed, order=str(privacy["epsilon"]) if privacy else "inf").below(below, audited)


def _tested_cell(bank: Released) -> Cell:
    used = bank.use("tstr_auroc")
    return value_cell(used).below(f"{used.patients} patients" if resolved(used) else "")


def _impossible_cell(bank: Released) -> Cell:
    """Return the rows that nobody could have, and how many cells had been mended before."""
    mended = bank.result.metadata.get("made_consistent")
    return value_cell(bank.use("rules_broken"), share=True).below(f"cells mended: {percent(mended)}" if mended else "")


def _found_cell(bank: Released) -> Cell:
    more = bank.attack(BEST, "tpr_at_fpr_0.1")
    least = value_cell(bank.attack(BEST, "tpr_at_fpr_0.01"), share=True)
    return least.below(f"at 10 %: {percent(more.value)}" if resolved(more) else "")


COLUMNS = (
    *columns_over(
        "Trained on it, tested on patients (AUROC)",
        Column("Synthetic", _tested_cell, "TSTR, ten classifiers"),
        Column("… minus real", _real_cell, "TSTR − TRTR"),
        Column("Added to real", lambda bank: value_cell(bank.use("augmented_auroc_difference"), signed=True), "− TRTR"),
    ),
    Column("Likeness", _likeness("quality"), "SDMetrics’ score"),
    *columns_over(
        "Who was in the table? (per patient)",
        Column("Closest record", lambda bank: value_cell(bank.attack(CLOSEST)), "AUC, a mere baseline"),
        Column("Strongest attack", _best_cell, "AUC"),
        Column("Found", _found_cell, "at 1 % FPR"),
    ),
    Column("Guarantee", _guarantee_cell, "and what audits prove"),
)
LIKENESS = (
    Column("Told apart", _likeness("c2st_auc"), "from test rows by a classifier; AUC, ½: not at all"),
    Column("Covered", _likeness("beta_recall"), "test rows with a synthetic one near; β-recall"),
    Column("Pairs off by", _likeness("association_gap_mean"), "mean error of what ties two columns"),
    Column("Impossible", _impossible_cell, "rows that break a clinical rule"),
)


def _disclosed_table(dataset: str, banks: Sequence[Released]) -> Table:
    columns = tuple(
        Column(attack.label, partial(_disclosed, name), over="Memorisation: success about members minus about others")
        for name, attack in FAMILIES["disclosure"].attacks.items()
    )
    rows = tuple(map(_row, banks))
    return Table(f"What single people give away, {dataset}", "Generator", columns, rows)


def _disclosed(attack: str, bank: Released) -> Cell:
    """Return the memorisation test of an attack, with the risk after Giomi et al. and its success."""
    find = partial(bank.result.attacks.find, attack=attack)
    kept, risk, success = (find(measure) for measure in ("memorisation", "risk", "success_members"))
    return value_cell(kept, signed=True).below(
        f"risk {number(risk.value)}" if resolved(risk) else "",
        f"succeeds in {percent(success.value)}" if resolved(success) else "",
    )


def _attacks_table(dataset: str, banks: Sequence[Released]) -> Table:
    columns = tuple(Column(bank.label, partial(_attacked, bank)) for bank in banks)
    attacks = [name for name in FAMILIES["release"].attacks if name not in (HOLDOUT, CHECK)]
    rows = [Row(attack_name(name), name, control=name in NULLS) for name in attacks]
    rows = [row for row in rows if any(_attacked(bank, row.of) != NOTHING for bank in banks)]
    rows.append(Row(attack_name(HOLDOUT), HOLDOUT, below=("share of matches that are members",)))
    rows.append(Row(attack_name(CHECK), CHECK, below=("share of releases that pass", "at the 5 % quantile; median")))
    return Table(
        f"Every attack on synthetic tables of {dataset}",
        "Attack",
        columns,
        tuple(rows),
        f"Every attack on synthetic tables of {dataset}, AUC per patient",
    )


def _attacked(bank: Released, attack: str) -> Cell:
    """Return the highest AUC of a score, with how it was read; of all released rows, too."""
    if attack == HOLDOUT:
        share, p = bank.attack(HOLDOUT, "match_share"), bank.attack(HOLDOUT, "p_value")
        return value_cell(share).below(f"p = {number(p.value)}" if resolved(p) else "")
    if attack == CHECK:
        least, half = (bank.result.attacks.find("passes", {"quantile": name}, CHECK) for name in ("0.05", "0.5"))
        return value_cell(least, share=True).below(percent(half.value) if resolved(half) else "")
    found = bank.strongest_reading(attack)
    if found is None:
        return NOTHING
    way = parse_group(found.group).get("statistic", "")
    more = bank.attack(attack, "auc_all_rows_difference")
    larger = f"all rows: {signed(more.value)}" if resolved(more) else ""
    return value_cell(found).below(way if way != "plain" else "", larger)


SECTION = Section(
    "synthetic",
    "synthetic",
    "Synthetic tables",
    "Synthetic tables",
    collect,
    families=("release", "disclosure", "synthetic_epsilon"),
    treatments=("synthetic", "synthetic-dp", "synthetic-varied"),
    kinds=("table_generator",),
    figures=lambda found: found.figures,
)
