"""Images as a server sees them: the true ones, and below them what each attack made of an update or of the cut."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from medpriv.pictures import png_image
from medpriv.report.drawing import Figure, Panel, rows_csv, slug
from medpriv.report.formatting import number, plural
from medpriv.report.labels import attack_name
from medpriv.report.pictures import PictureRow, picture_panel
from medpriv.report.results import Result
from medpriv.report.results import Row as Record

if TYPE_CHECKING:
    from medpriv.report.sections.reconstruction.figures import Trial

BLIND = {"inversion-mode": "mean public image, without the update"}
LEFT_OUT = ("inversion-random",)  # another person's image, which says nothing beside the true one


def draw_found(
    dataset: str, settings: "Sequence[tuple[Trial, list[Record]]]", banks: Sequence[Result]
) -> Figure | None:
    """Return a panel for each setting of updates and for each split bank; None without examples.

    Of an open or simulated dataset alone: pictures are of patients.
    """
    panels = [
        _panel(slug("found", dataset, trial.result.treatment, trial.setting), f"{trial.result.key}: {trial.name}", rows)
        for trial, rows in settings
    ]
    for bank in banks:
        if rows := bank.rows("split_server-examples"):
            panels.append(
                _panel(slug("found", dataset, bank.treatment), f"{bank.key}: from what crossed the cut", rows)
            )
    return (
        Figure(f"found-{slug(dataset)}", f"Images of {dataset} as a server sees them", tuple(panels))
        if panels
        else None
    )


def _panel(stem: str, title: str, rows: Sequence[Record]) -> Panel:
    by_attack: dict[str, list[Record]] = defaultdict(list)
    for row in rows:
        if row["attack"] not in LEFT_OUT:
            by_attack[row["attack"]].append(row)
    first = next(iter(by_attack.values()))
    shown = [PictureRow("true", [png_image(row["true"]) for row in first])]
    for attack, own in by_attack.items():
        found = [png_image(row["found"]) for row in own]
        shown.append(PictureRow(BLIND.get(attack) or attack_name(attack), found, [_decibels(row) for row in own]))
    table = [
        {"attack": attack, "image": row["record"], "psnr": row["psnr"]}
        for attack, own in by_attack.items()
        for row in own
    ]
    note = f"n = {plural(len(first), 'image')}, {'an example' if len(first) == 1 else 'examples'}"
    return picture_panel(stem, title, shown, rows_csv(table), note)


def _decibels(row: Record) -> str:
    return f"{number(float(row['psnr']), 1)} dB"
