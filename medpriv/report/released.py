"""One bank of generators as the page's sections read it, of tables or of images, and the cells that both show of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from medpriv.catalogue.attacks import FAMILIES
from medpriv.catalogue.generators import GENERATORS, Generator
from medpriv.catalogue.treatments import KINDS, Spec, spec_of
from medpriv.measures.table import Measure
from medpriv.measures.verdicts import verdict_name
from medpriv.report.comparison import Headline
from medpriv.report.formatting import number, percent, signed
from medpriv.report.labels import attack_name
from medpriv.report.layout import NOTHING, Cell, Column, Row, Table, value_cell
from medpriv.report.results import Group, Result, highest, parse_group, resolved

PATIENT: Group = {"level": "patient"}
CEILING: Group = {"rows": "members"}  # the replicate's own members, compared with the test rows
BY_AUROC: Group = {"figure": "auroc"}
BEST, HOLDOUT, CLOSEST = "release-best", "release-holdout", "release-dcr"
CHECK = "release-distance-check"
NULLS = ("release-null-members", "release-null-shuffled")
AUDITS = ("audit-marginals", "audit-embedding")
AUC = "auc"


@dataclass(frozen=True)
class Released:
    """One bank of generators, with the figures that a section asks for by name.

    Attacks go by their names on tables (`release-dcr`), whatever the records are.
    """

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

    @property
    def before(self) -> str:
        """What stands before the names of attacks on tables where records are others."""
        return KINDS[self.spec.kind].membership.removesuffix("release").replace("_", "-")

    def attack(self, attack: str, measure: str = AUC) -> Measure | None:
        """Return a figure of an attack on whole patients; of a score read in several ways, as it is."""
        attack = self.before * attack.startswith("release-") + attack
        plain = self.result.attacks.find(measure, {"statistic": "plain", **PATIENT}, attack)
        return plain or self.result.attacks.find(measure, PATIENT, attack)

    def strongest_reading(self, attack: str) -> Measure | None:
        """Return the highest AUC of a score, however it is read."""
        attack = self.before + attack
        found = [item for item in self.result.attacks.holding(AUC, PATIENT, attack) if item.attack == attack]
        return highest(item for item in found if set(parse_group(item.group)) <= {"statistic", "level"})


def told_beyond_chance(bank: Released) -> bool:
    """Tell whether the strongest attack, chosen on other replicates, lies above where chance takes it."""
    found, chance = bank.attack(BEST), bank.attack(BEST, "auc_chance")
    return resolved(found) and found.lower > max(0.5, chance.upper if resolved(chance) else 0.5)


def fooled_by_distance(banks: Iterable[Released]) -> tuple[Released, ...]:
    """Return those whose members the strongest attack tells, though the distance to the closest record sees nothing."""
    return tuple(bank for bank in banks if told_beyond_chance(bank) and not above_half(bank.attack(CLOSEST)))


def above_half(measure: Measure | None) -> bool:
    """Tell whether the whole interval of an AUC lies above chance."""
    return resolved(measure) and measure.lower > 0.5


def says(bank: Released, verdict: str) -> bool:
    """Tell whether equivalence with real records has this verdict, by AUROC."""
    told = bank.use("verdict_equivalent", BY_AUROC)
    return resolved(told) and verdict_name(told.value) == verdict


def row_of(bank: Released, *below: str) -> Row:
    """Return a generator's row of a table, with what stands below its name."""
    return Row(bank.label, bank, below=tuple(filter(None, below)), control=bool(bank.generator.control))


def real_cell(bank: Released) -> Cell:
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


def likeness(measure: str) -> Callable[[Released], Cell]:
    """Return the function to a figure of likeness, with the same of real members: the ceiling."""

    def cell(bank: Released) -> Cell:
        ceiling = bank.use(measure, CEILING)
        return value_cell(bank.use(measure)).below(f"members: {number(ceiling.value)}" if resolved(ceiling) else "")

    return cell


def best_cell(bank: Released) -> Cell:
    """Return the AUC of the strongest attack, with what luck reaches, and which it mostly is."""
    found, chance = bank.attack(BEST), bank.attack(BEST, "auc_chance")
    luck = f"by luck up to {number(chance.upper)}" if resolved(chance) else ""
    attacked = f"{found.patients or found.n} patients" if resolved(found) else ""
    return value_cell(found).below(attacked, luck, _chosen(bank))


def _chosen(bank: Released) -> str:
    """Return the score that is the strongest for most replicates."""
    top = highest(bank.result.attacks.holding("chosen_share", PATIENT))
    return attack_name(top.attack) if top else ""


def guarantee_cell(bank: Released) -> Cell:
    """Return the accountant's epsilon, or that there is none, with what the holdout test proves at least."""
    privacy, least = bank.result.metadata.get("privacy"), bank.attack(HOLDOUT, "epsilon_lower")
    claimed = f"ε = {number(privacy['epsilon'], 2)}" if privacy else "no guarantee"
    below = f"matches: at least {number(least.value, 2)}" if resolved(least) and least.value > 0 else ""
    canaries = next((item for item in bank.result.attacks.holding("epsilon_lower") if item.attack in AUDITS), None)
    audited = f"canaries: at least {number(canaries.value, 2)}" if resolved(canaries) else ""
    return Cell(claimed, order=str(privacy["epsilon"]) if privacy else "inf").below(below, audited)


def tested_cell(bank: Released) -> Cell:
    """Return how well classifiers do that were trained on what it made, and on how many patients."""
    used = bank.use("tstr_auroc")
    return value_cell(used).below(f"{used.patients} patients" if resolved(used) else "")


def found_cell(bank: Released) -> Cell:
    """Return the share of members found at low false-positive rates."""
    more = bank.attack(BEST, "tpr_at_fpr_0.1")
    least = value_cell(bank.attack(BEST, "tpr_at_fpr_0.01"), share=True)
    return least.below(f"at 10 %: {percent(more.value)}" if resolved(more) else "")


def attacks_table(dataset: str, banks: Sequence[Released], what: str = "tables") -> Table:
    """Return every attack by every generator of a dataset; `what` they make, in words."""
    columns = tuple(Column(bank.label, partial(_attacked, bank)) for bank in banks)
    family = FAMILIES[KINDS[banks[0].spec.kind].membership]
    attacks = [name.removeprefix(banks[0].before) for name in family.attacks]
    attacks = [name for name in attacks if name not in (HOLDOUT, CHECK)]
    rows = [Row(attack_name(banks[0].before + name), name, control=name in NULLS) for name in attacks]
    rows = [row for row in rows if any(_attacked(bank, row.of) != NOTHING for bank in banks)]
    rows.append(Row(attack_name(HOLDOUT), HOLDOUT, below=("share of matches that are members",)))
    rows.append(Row(attack_name(CHECK), CHECK, below=("share of releases that pass", "at the 5 % quantile; median")))
    return Table(
        f"Every attack on synthetic {what} of {dataset}",
        "Attack",
        columns,
        tuple(rows),
        f"Every attack on synthetic {what} of {dataset}, AUC per patient",
    )


def _attacked(bank: Released, attack: str) -> Cell:
    """Return the highest AUC of a score, with how it was read; of all released rows, too."""
    if attack == HOLDOUT:
        share, p = bank.attack(HOLDOUT, "match_share"), bank.attack(HOLDOUT, "p_value")
        return value_cell(share).below(f"p = {number(p.value)}" if resolved(p) else "")
    if attack == CHECK:
        least, half = (
            bank.result.attacks.find("passes", {"quantile": name}, bank.before + CHECK) for name in ("0.05", "0.5")
        )
        return value_cell(least, share=True).below(percent(half.value) if resolved(half) else "")
    found = bank.strongest_reading(attack)
    if found is None:
        return NOTHING
    way = parse_group(found.group).get("statistic", "")
    more = bank.attack(attack, "auc_all_rows_difference")
    larger = f"all rows: {signed(more.value)}" if resolved(more) else ""
    return value_cell(found).below(way if way != "plain" else "", larger)
