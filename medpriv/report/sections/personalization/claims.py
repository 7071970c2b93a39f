"""Three claims on personalised models as hypotheses: what was found, one table with artefacts, and H2 by method."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from medpriv.measures.table import Measure
from medpriv.measures.verdicts import verdict_name
from medpriv.report.formatting import MISSING, plural
from medpriv.report.labels import attack_name, method_name, variant_name
from medpriv.report.layout import Cell, Column, Row, Table, count_cell, prose, source_cell, value_cell
from medpriv.report.results import Audit, parse_group
from medpriv.report.sections.unlearning.methods import is_control, is_method

CLAIMS = {
    "h1": "A fine-tuned copy is more exposed to FGSM on the beats it was adapted to",
    "h2": "Unlearning lowers what the attack achieves on the forgotten beats",
    "h3": "The base task’s accuracy is kept",
}
TESTS = {
    "h1": "success with the copy minus success with its replicate",
    "h2": "how much nearer to the copy retrained without them",
    "h3": "change of the AUROC on strangers, at most one point",
}
TONES = {"supported": "good", "contradicted": "bad", "undecided": "open", "too few": "open", "not testable": "open"}
TEXTS = {"too few": "too few patients", "not testable": "not testable here"}


@dataclass(frozen=True)
class Tally:
    """For how many methods H2 was found true under one attack: verdict -> count, in the order of `TONES`."""

    attack: str
    counts: dict[str, int]

    @property
    def methods(self) -> int:
        """All of them."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Hypotheses:
    """What was found on one variant of one dataset.

    Attributes:
        h1: verdict -> the attacks of which it holds.
        h2: a tally an attack.
        h3: verdicts.
    """

    dataset: str
    variant: str
    patients: int
    h1: dict[str, list[str]]
    h2: tuple[Tally, ...]
    h3: tuple[str, ...]


def hypotheses(audits: Sequence[Audit]) -> list[Hypotheses]:
    """Return what was found on the first variant of each dataset; none where nothing was judged."""
    first: dict[str, Audit] = {}
    for audit in audits:
        first.setdefault(audit.dataset, audit)
    return [_judged(audit) for audit in first.values() if any(_verdicts(audit, name) for name in CLAIMS)]


def _judged(audit: Audit) -> Hypotheses:
    told: dict[str, list[str]] = {name: [] for name in TONES}
    for item in _verdicts(audit, "h1"):
        told[_told(item)].append(attack_name(item.attack))
    return Hypotheses(
        audit.dataset,
        variant_name(audit.subject),
        max(item.patients for item in audit.measures if item.measure.startswith("verdict_")),
        {name: attacks for name, attacks in told.items() if attacks},
        tuple(Tally(attack, _counts(each)) for attack, each in _method_verdicts(audit).items()),
        tuple(map(_told, _verdicts(audit, "h3"))),
    )


def _verdicts(audit: Audit, name: str) -> list[Measure]:
    """Return the verdicts on one hypothesis: of H1 judged on what both models had right, of H2 on methods alone."""
    found = audit.measures.holding(f"verdict_{name}")
    if name == "h2":  # controls have verdicts too, and are no methods
        return [item for item in found if is_method(parse_group(item.group)["method"])]
    return [item for item in found if parse_group(item.group).get("right", "both") == "both"]


def _method_verdicts(audit: Audit) -> dict[str, list[Measure]]:
    """Return the verdicts on H2 by attack."""
    found: dict[str, list[Measure]] = {}
    for item in _verdicts(audit, "h2"):
        found.setdefault(item.attack, []).append(item)
    return found


def _counts(verdicts: Sequence[Measure]) -> dict[str, int]:
    counts = Counter(map(_told, verdicts))
    return {name: counts[name] for name in TONES if counts[name]}


def _told(verdict: Measure) -> str:
    return verdict_name(verdict.value)


def _verdict_cell(verdict: Measure) -> Cell:
    name = _told(verdict)
    return prose(TEXTS.get(name, name), TONES[name])


# --- the three claims -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """A row of the table of claims: one verdict, or (H2) those of all methods under one attack."""

    audit: Audit
    name: str
    verdicts: tuple[Measure, ...]

    @property
    def tally(self) -> bool:
        """Whether it is of several methods."""
        return self.name == "h2"

    @property
    def attack(self) -> str:
        """The attack that the verdicts are of."""
        return self.verdicts[0].attack


def claims_table(audits: Sequence[Audit]) -> Table:
    """Return the table of claims: every verdict with its figure and its artefact."""
    rows: list[Row] = []
    for name, text in CLAIMS.items():
        found = [claim for audit in audits for claim in _claims(audit, name)]
        rows += [Row(f"{name.upper()}. {text}", below=(TESTS[name],))] if found else []
        rows += [Row(whose(claim.audit), claim) for claim in found]
    columns = (
        Column("Attack", lambda claim: prose(attack_name(claim.attack) or MISSING), form="prose"),
        Column("Figure", _figure_cell, "as tested"),
        Column("Verdict", _claim_verdict, form="prose"),
        Column("n", lambda claim: count_cell(min(item.patients for item in claim.verdicts)), "patients"),
        Column("Artefact", _claim_source, form="code"),
    )
    return Table("Three claims", "Data, what was adapted", columns, tuple(rows))


def _claims(audit: Audit, name: str) -> list[Claim]:
    if name == "h2":
        return [Claim(audit, name, tuple(each)) for each in _method_verdicts(audit).values()]
    return [Claim(audit, name, (verdict,)) for verdict in _verdicts(audit, name)]


def _figure_cell(claim: Claim) -> Cell:
    if claim.tally:
        return Cell(plural(len(claim.verdicts), "method"), ("table below",))
    (verdict,) = claim.verdicts
    measures = claim.audit.measures
    return value_cell(measures.find(f"hypothesis_{claim.name}", parse_group(verdict.group), claim.attack), signed=True)


def _claim_verdict(claim: Claim) -> Cell:
    if not claim.tally:
        return _verdict_cell(claim.verdicts[0])
    first, *others = (f"{count} {TEXTS.get(name, name)}" for name, count in _counts(claim.verdicts).items())
    return prose(first, "open").below(*others)


def _claim_source(claim: Claim) -> Cell:
    if claim.tally:
        return source_cell(claim.audit.artefact, claim.attack, "hypothesis_h2")
    where = (claim.attack, f"hypothesis_{claim.name}", claim.verdicts[0].group)
    return source_cell(claim.audit.artefact, ", ".join(filter(None, where)))


def whose(audit: Audit) -> str:
    """Return an audit's dataset and what was adapted."""
    return f"{audit.dataset}, {variant_name(audit.subject)}"


# --- H2 by method ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Forgot:
    """A row: what one attack achieves on the beats that one method forgot."""

    audit: Audit
    success: Measure

    @property
    def method(self) -> str:
        """The method, as the config names it; `personalized`: nothing was forgotten."""
        return parse_group(self.success.group)["method"]

    def figure(self, measure: str) -> Measure | None:
        """Return a figure of the same method and attack."""
        return self.audit.measures.find(measure, {"method": self.method}, self.success.attack)


def forgetting_table(audits: Sequence[Audit]) -> Table | None:
    """Return the table of H2 by method, controls last; None where nothing was to be forgotten."""
    asked = [Forgot(audit, item) for audit in audits for item in audit.measures.holding("success")]
    found = [item for item in asked if "method" in parse_group(item.success.group)]
    columns = (
        Column("Success", lambda item: value_cell(item.success, share=True), "forgotten beats"),
        Column("Over retraining", _over_retraining),
        Column("Nearer to it by", lambda item: value_cell(item.figure("hypothesis_h2"), share=True, signed=True)),
        Column("H2", _h2_cell, form="prose"),
        Column("n", _beats_cell, "with beats right before"),
    )
    rows = sorted(map(_forgot_row, found), key=lambda row: row.control)
    title = "What unlearning does to the attack, by method"
    return Table(title, "Method", columns, tuple(rows), title) if rows else None


def _forgot_row(item: Forgot) -> Row:
    name = "Personalised, not unlearned" if item.method == "personalized" else method_name(item.method)
    control, below = is_control(item.method), f"{item.audit.dataset}, {attack_name(item.success.attack)}"
    return Row(name, item, "control" if control else "", (below,), control)


def _over_retraining(item: Forgot) -> Cell:
    group = parse_group(item.success.group)
    found = item.audit.measures.find("success_over_retrain", group, item.success.attack)
    return value_cell(found, share=True, signed=True)


def _h2_cell(item: Forgot) -> Cell:
    verdict = item.figure("verdict_h2")
    if verdict is not None:
        return _verdict_cell(verdict)
    return prose("the reference" if item.method == "retrain" else "before forgetting")


def _beats_cell(item: Forgot) -> Cell:
    beats = item.success
    return Cell(plural(beats.patients, "patient"), (plural(beats.n, "beat"),), str(beats.n))
