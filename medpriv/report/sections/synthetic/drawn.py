"""The drawings of synthetic tables: use against leak, classifiers by generators, and columns real against synthetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from medpriv.measures.verdicts import verdict_name
from medpriv.report import drawing
from medpriv.report.drawing import COLOURS, Figure, Panel, csv_text, slug
from medpriv.report.formatting import span
from medpriv.report.results import resolved

if TYPE_CHECKING:
    from medpriv.report.sections.synthetic.figures import Released

Groups = Mapping[str, Sequence["Released"]]
SHOWN = 6  # columns of a table of which marginals are drawn
BEST = "release-best"
ACROSS = {"tstr_auroc": "AUROC on patients, trained on synthetic rows", "quality": "likeness (SDMetrics’ quality)"}
SIGNS = {"supported": "=", "contradicted": "≠"}  # of an equivalence with training on real rows


def draw_front(groups: Groups, stem: str, title: str, across: Mapping[str, str]) -> Figure:
    """Return figures of use and likeness against the strongest attack, a panel a dataset each, a mark a generator.

    Args:
        groups: the banks by dataset.
        stem, title: of the figure.
        across: measure -> its words on the axis.
    """
    panels, undrawn = [], []
    for dataset, banks in groups.items():
        for measure, named in across.items():
            known = [bank for bank in banks if resolved(bank.use(measure)) and resolved(bank.attack(BEST))]
            if known:
                panels.append(_front(dataset, known, measure, named, stem))
            else:
                undrawn.append(dataset)
    return Figure(stem, title, tuple(panels), tuple(undrawn))


def _front(dataset: str, banks: Sequence[Released], measure: str, named: str, stem: str) -> Panel:
    rows = []
    with drawing.drawing(330, legend=len(banks)) as axes:
        drawing.draw_guessing(axes, [bank.attack(BEST, "auc_chance") for bank in banks])
        for index, bank in enumerate(banks):
            use, leak = bank.use(measure), bank.attack(BEST)
            drawing.draw_point(axes, index, use, leak, bank.label)
            rows += [
                {"generator": bank.label, "figure": name} | drawing.figures_of(item)
                for name, item in ((measure, use), ("release_auc_patient", leak))
            ]
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0.45), max(high, 0.62))
        real = banks[0].use("trtr_auroc") if measure == "tstr_auroc" else banks[0].use(measure, {"rows": "members"})
        if resolved(real):
            axes.axvline(real.value, color=COLOURS["muted"], linestyle=(0, (1, 2)), linewidth=1)
        axes.set(xlabel=named, ylabel="AUC of the strongest attack", title=dataset)
        drawing.legend_below(axes, len(banks))
        columns = ("generator", "figure", "value", "lower", "upper", "n", "patients")
        spoken = f"{dataset}: {named}, against the AUC of the strongest attack"
        note = (
            f"n = {span([bank.use(measure).n for bank in banks])} records for what goes right, "
            f"{span([bank.attack(BEST).n for bank in banks])} non-members a target for leakage; dotted: real members"
        )
        return drawing.render(axes, slug(stem, dataset, measure), spoken, csv_text(columns, rows), note)


def draw_classifiers(groups: Groups, stem: str, what: str, names: Sequence[str]) -> Figure:
    """Return how much AUROC each classifier loses by each generator, a panel a dataset.

    Args:
        groups: the banks by dataset.
        stem: of the figure.
        what: the generators make, in words.
        names: of the classifiers.
    """
    panels = tuple(_classifiers(dataset, banks, stem, what, names) for dataset, banks in groups.items())
    return Figure(stem, f"Trained on synthetic {what}: AUROC of each classifier", panels)


def _classifiers(dataset: str, banks: Sequence[Released], stem: str, what: str, names: Sequence[str]) -> Panel:
    found = [[bank.use("tstr_auroc", {"classifier": name}) for name in names] for bank in banks]
    values = [[item.value if resolved(item) else float("nan") for item in row] for row in found]
    rows = [
        {"generator": bank.label, "classifier": name} | drawing.figures_of(item)
        for bank, row in zip(banks, found, strict=True)
        for name, item in zip(names, row, strict=True)
        if item is not None
    ]
    with drawing.drawing(110 + 17 * len(banks), left=160, bottom=92) as axes:
        axes.grid(visible=False)
        axes.imshow(values, vmin=0.5, vmax=1.0, aspect="auto", cmap=_shades())
        axes.set_yticks(range(len(banks)), [bank.label for bank in banks])
        axes.set_xticks(range(len(names)), [name.replace("_", " ") for name in names], rotation=45, ha="right")
        for place, bank in enumerate(banks):
            for across, name in enumerate(names):
                if (value := values[place][across]) == value:
                    told = f"{value:.2f}".removeprefix("0") + _sign(bank, name)
                    axes.text(across, place, told, ha="center", va="center", fontsize=8)
        axes.set_title(dataset)
        spoken = f"{dataset}: AUROC on patients of {len(names)} classifiers, trained on each generator’s {what}"
        columns = ("generator", "classifier", "value", "lower", "upper", "n", "patients")
        note = f"n = {span([item.patients for row in found for item in row if item])} patients"
        return drawing.render(axes, slug(stem, dataset), spoken, csv_text(columns, rows), note)


def _sign(bank: Released, classifier: str) -> str:
    verdict = bank.use("verdict_equivalent", {"figure": "auroc", "classifier": classifier})
    return SIGNS.get(verdict_name(verdict.value), "") if verdict else ""


def _shades() -> object:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("use", [COLOURS["paper"], COLOURS["series-6"]])


def draw_marginals(groups: Groups) -> Figure | None:
    """Return some columns, real against synthetic, of each dataset's generators that are no controls."""
    panels: list[Panel] = []
    for dataset, banks in groups.items():
        own = [_marginals(dataset, bank) for bank in banks if not bank.generator.control]
        panels += [*own[:1], *drawing.folded(own[1:])]
    return Figure("synthetic-marginals", "Columns, real against synthetic", tuple(panels)) if panels else None


def _marginals(dataset: str, bank: Released) -> Panel:
    rows = [row for row in bank.result.rows("marginals") if row["real"] and row["synthetic"]]
    names = list(dict.fromkeys(row["column"] for row in rows))[:SHOWN]
    kept = [row for row in rows if row["column"] in names]
    with drawing.drawing(90 + 13 * len(kept), left=128) as axes:
        for place, row in enumerate(kept):
            real, made = float(row["real"]), float(row["synthetic"])
            axes.plot([real, made], [place, place], color=COLOURS["rule"], linewidth=2, zorder=1)
            axes.plot(real, place, "o", color=COLOURS["ink"], markersize=4.5, label="real" if not place else None)
            axes.plot(
                made, place, "D", color=COLOURS["series-2"], markersize=4.5, label="synthetic" if not place else None
            )
        axes.set_yticks(range(len(kept)), [_value_name(row) for row in kept])
        axes.invert_yaxis()
        axes.set(xlabel="share of the rows", title=f"{dataset}, {bank.label}")
        axes.legend(loc="lower right")
        spoken = f"{dataset}, {bank.label}: shares of values in {len(names)} columns, real and synthetic"
        columns = ("column", "level", "from", "to", "real", "synthetic", "patients")
        note = f"the first {len(names)} columns; values of fewer than ten patients are joined with their neighbours"
        stem = slug("synthetic-marginals", dataset, bank.result.treatment)
        return drawing.render(axes, stem, spoken, csv_text(columns, rows), note)


def _value_name(row: Mapping[str, str]) -> str:
    if row["level"]:
        return f"{row['column']} {row['level']}"
    return f"{row['column']} {row['from'] or '<'}{'–' if row['from'] and row['to'] else ''}{row['to'] or '+'}"
