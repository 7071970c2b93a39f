"""The drawing of leaks against epochs of fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from medpriv.report import drawing
from medpriv.report.drawing import Figure, Panel, csv_text, slug
from medpriv.report.formatting import span
from medpriv.report.results import resolved

if TYPE_CHECKING:
    from medpriv.report.sections.language.figures import Tuned

SERIES = {
    ("language-best", "patient"): "record known, per patient",
    ("language-best", "record"): "record known, per record",
    ("language-best-paraphrase", "patient"): "paraphrase known, per patient",
}


def draw_epochs(groups: Mapping[str, Sequence[Tuned]]) -> Figure:
    """Return the figure, a panel a dataset and way of tuning that was kept after several epochs."""
    panels = []
    for dataset, banks in groups.items():
        tunings = dict.fromkeys(bank.spec.parts["tuning"] for bank in banks if "tuning" in bank.spec.parts)
        for tuning in tunings:
            own = [bank for bank in banks if bank.spec.parts.get("tuning") == tuning]
            if len(own) > 1:
                panels.append(_panel(dataset, tuning, sorted(own, key=lambda bank: bank.spec.parts["epoch"])))
    return Figure("language-epochs", "Language models: leaks against epochs", tuple(panels))


def _panel(dataset: str, tuning: str, banks: Sequence[Tuned]) -> Panel:
    rows = []
    with drawing.drawing(280, legend=len(SERIES)) as axes:
        drawing.draw_guessing(axes, [bank.attack("language-best", measure="auc_chance") for bank in banks])
        for index, ((attack, level), label) in enumerate(SERIES.items()):
            known = [(bank, item) for bank in banks if resolved(item := bank.attack(attack, level))]
            if not known:
                continue
            epochs = [bank.spec.parts["epoch"] for bank, _ in known]
            items = [item for _, item in known]
            values = [item.value for item in items]
            style = drawing.line_style(index)
            axes.errorbar(
                epochs, values, yerr=drawing.whiskers(items), marker=drawing.mark(index), label=label, **style
            )
            rows += [
                {"tuning": tuning, "epoch": epoch, "attack": attack, "level": level} | drawing.figures_of(item)
                for epoch, item in zip(epochs, items, strict=True)
            ]
        axes.set_xticks([bank.spec.parts["epoch"] for bank in banks])
        axes.set(xlabel="epochs of fine-tuning", ylabel="AUC of the strongest attack", title=f"{dataset}: {tuning}")
        drawing.legend_below(axes, len(SERIES))
        columns = ("tuning", "epoch", "attack", "level", "value", "lower", "upper", "n", "patients")
        spoken = f"{dataset}, {tuning}: AUC of the strongest attack against epochs of fine-tuning"
        counted = [int(row["patients"]) for row in rows if row["level"] == "patient"]
        note = f"n = {span(counted)} patients who were not trained on, a target" if counted else ""
        return drawing.render(axes, slug("language-epochs", dataset, tuning), spoken, csv_text(columns, rows), note)
