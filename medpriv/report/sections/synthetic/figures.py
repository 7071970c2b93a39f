"""Synthetic tables: of what use they are, how like real ones, and which patients can be told from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from medpriv.catalogue.attacks import FAMILIES
from medpriv.catalogue.treatments import spec_of
from medpriv.measures.classifiers import CLASSIFIERS
from medpriv.measures.table import Measure
from medpriv.measures.verdicts import verdict_name
from medpriv.report.comparison import Headline
from medpriv.report.differences import by_dataset
from medpriv.report.drawing import Figure
from medpriv.report.formatting import number, percent, span
from medpriv.report.layout import Cell, Column, Table, columns_over, value_cell
from medpriv.report.released import (
    BEST,
    CLOSEST,
    Released,
    attacks_table,
    best_cell,
    fooled_by_distance,
    found_cell,
    guarantee_cell,
    likeness,
    real_cell,
    row_of,
    says,
    tested_cell,
    told_beyond_chance,
)
from medpriv.report.results import Results, resolved
from medpriv.report.section import Section
from medpriv.report.sections.synthetic import drawn, subgroups


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
        return [bank for bank in self.banks if says(bank, "supported")]

    @property
    def different(self) -> list[Released]:
        """The banks that are shown not to be equivalent."""
        return [bank for bank in self.banks if says(bank, "contradicted")]

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
        drawn.draw_front(groups, "synthetic-front", "Synthetic tables: usefulness against leakage", drawn.ACROSS),
        drawn.draw_classifiers(groups, "synthetic-classifiers", "rows", CLASSIFIERS),
        drawn.draw_marginals(groups),
        fooled_by_distance(everyone),
        tuple(claim for dataset, own in groups.items() for claim in _claims(dataset, own)),
    )


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
        Table(f"How like real rows, {dataset}", "Generator", LIKENESS, tuple(map(row_of, banks))),
        subgroups.table(dataset, banks, credentialed),
        _disclosed_table(dataset, banks),
        attacks_table(dataset, banks),
    )


# --- tables ---------------------------------------------------------------------------------------------------------


def _table(dataset: str, banks: Sequence[Released]) -> Table:
    rows = tuple(row_of(bank, bank.generator.control, _columns_of(bank)) for bank in banks)
    return Table(f"Synthetic tables of {dataset}", "Generator", COLUMNS, rows)


def _columns_of(bank: Released) -> str:
    """Return the columns that a generator was told to take; empty where it takes all."""
    chosen = bank.result.hyperparameters.get("columns")
    return f"of {len(chosen)} columns alone: {', '.join(chosen)}" if chosen else ""


def _impossible_cell(bank: Released) -> Cell:
    """Return the rows that nobody could have, and how many cells had been mended before."""
    mended = bank.result.metadata.get("made_consistent")
    return value_cell(bank.use("rules_broken"), share=True).below(f"cells mended: {percent(mended)}" if mended else "")


COLUMNS = (
    *columns_over(
        "Trained on it, tested on patients (AUROC)",
        Column("Synthetic", tested_cell, "TSTR, ten classifiers"),
        Column("… minus real", real_cell, "TSTR − TRTR"),
        Column("Added to real", lambda bank: value_cell(bank.use("augmented_auroc_difference"), signed=True), "− TRTR"),
    ),
    Column("Likeness", likeness("quality"), "SDMetrics’ score"),
    *columns_over(
        "Who was in the table? (per patient)",
        Column("Closest record", lambda bank: value_cell(bank.attack(CLOSEST)), "AUC, a mere baseline"),
        Column("Strongest attack", best_cell, "AUC"),
        Column("Found", found_cell, "at 1 % FPR"),
    ),
    Column("Guarantee", guarantee_cell, "and what audits prove"),
)
LIKENESS = (
    Column("Told apart", likeness("c2st_auc"), "from test rows by a classifier; AUC, ½: not at all"),
    Column("Covered", likeness("beta_recall"), "test rows with a synthetic one near; β-recall"),
    Column("Pairs off by", likeness("association_gap_mean"), "mean error of what ties two columns"),
    Column("Impossible", _impossible_cell, "rows that break a clinical rule"),
)


def _disclosed_table(dataset: str, banks: Sequence[Released]) -> Table:
    columns = tuple(
        Column(attack.label, partial(_disclosed, name), over="Memorisation: success about members minus about others")
        for name, attack in FAMILIES["disclosure"].attacks.items()
    )
    rows = tuple(map(row_of, banks))
    return Table(f"What single people give away, {dataset}", "Generator", columns, rows)


def _disclosed(attack: str, bank: Released) -> Cell:
    """Return the memorisation test of an attack, with the risk after Giomi et al. and its success."""
    find = partial(bank.result.attacks.find, attack=attack)
    kept, risk, success = (find(measure) for measure in ("memorisation", "risk", "success_members"))
    return value_cell(kept, signed=True).below(
        f"risk {number(risk.value)}" if resolved(risk) else "",
        f"succeeds in {percent(success.value)}" if resolved(success) else "",
    )


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
