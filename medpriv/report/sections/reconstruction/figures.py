"""What the server sees: records rebuilt from a client's update, or from what crossed the cut, beside the true ones.

"Beats" is said only where the interval of the gain over the better baseline lies above 0. Of several attacks the best
is taken, so its gain is slightly too high. Single records are shown of open and simulated datasets alone.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medpriv.measures.intervals import LEVEL
from medpriv.measures.table import Measure
from medpriv.report.comparison import SERVER_VIEW, Headline
from medpriv.report.drawing import Figure
from medpriv.report.enough import TOO_FEW, enough
from medpriv.report.formatting import MISSING, percent, plural
from medpriv.report.headline_cells import leak_cell
from medpriv.report.labels import attack_name
from medpriv.report.layout import NOTHING, Cell, Column, Row, Table, n_of, patients_of, prose, source_cell, value_cell
from medpriv.report.results import Cohort, Result, Results, highest, parse_group
from medpriv.report.results import Row as Record
from medpriv.report.section import Section
from medpriv.report.sections.reconstruction.found_images import draw_found

INVERSION, SITE = "inversion-", "property-site"
DEFENCES = {"none": "undefended", "dp": "under DP-SGD", "secure": "under secure aggregation"}
TINY = 5e-4  # of a unit: shown as 0
WHOLE, SHOWN = 20, 12  # features: a record of more than the first is shown by so many, and the others are folded
MODELS = {"start": "network as drawn", "end": "network as trained"}
SINGLE = {"batch": "1", "steps": "1", "defence": "none"}  # the setting of single records undefended
DEFENDED = (("dp", False), ("secure", False), ("none", True), ("secure", True))  # (defence, a whole round)


@dataclass(frozen=True)
class Trial:
    """One setting in which updates of one bank were inverted.

    Attributes:
        setting: as the table of measures writes it.
    """

    result: Result
    setting: str

    @property
    def group(self) -> dict[str, str]:
        """The setting as pairs."""
        return dict(parse_group(self.setting))

    @property
    def gain(self) -> Measure | None:
        """The gain of the attack that recovers most; None without a value."""
        return highest(self.result.attacks.select("gain", self.group, INVERSION))

    def figure(self, measure: str, attack: str, **more: str) -> Measure | None:
        """Return a figure of one attack in this setting."""
        return self.result.attacks.find(measure, {**self.group, **more}, attack)

    def of_best(self, measure: str) -> Measure | None:
        """Return a figure of the attack that recovers most."""
        return self.figure(measure, self.gain.attack) if self.gain else None

    @property
    def model(self) -> str:
        """Which network the update was of, in words."""
        return MODELS.get(self.group.get("model", ""), "")

    @property
    def name(self) -> str:
        """The setting in words."""
        return describe(self.setting)


@dataclass(frozen=True)
class Defended:
    """Whether any attack beats the baselines in the settings of one defence.

    Attributes:
        lead: the settings in words.
        judged, won, few: how many settings were judged, of these how many are beaten, and how many rest on too few.
        worst: the setting in which most is gained.
    """

    lead: str
    judged: int
    won: int
    few: int
    worst: Trial


@dataclass(frozen=True)
class Searched:
    """A table of settings, and how many attacks that search it has."""

    table: Table
    searches: int


@dataclass(frozen=True)
class Inverted:
    """What is said of one dataset's updates.

    Attributes:
        single: the single record, undefended, of which most comes back; None where that was not tried.
    """

    dataset: str
    single: Trial | None
    defences: tuple[Defended, ...]
    tables: tuple[Searched, ...]


@dataclass(frozen=True)
class Example:
    """One record and what attacks made of it, as tables: a long one's other features are folded.

    Attributes:
        lead: what it is of, in words; empty for what crossed the cut.
        features: of a record of which only the first `shown` stand open; 0 where all do.
    """

    lead: str
    tables: tuple[Table, ...]
    features: int = 0
    shown: int = SHOWN


@dataclass(frozen=True)
class OfDataset:
    """What is said of one dataset; None where no update was inverted, and where there are no pictures."""

    inverted: Inverted | None
    examples: tuple[Example, ...]
    pictures: Figure | None = None


@dataclass(frozen=True)
class Reconstruction:
    """What the section says.

    Attributes:
        luck: the share of settings that would be called beaten if one attack of its kind were no better than luck.
    """

    datasets: tuple[OfDataset, ...]
    answers: Table | None
    luck: float = (1 - LEVEL) / 2


def collect(results: Results, headlines: Sequence[Headline]) -> Reconstruction | None:
    """Return what servers see; None where no server was attacked."""
    datasets = []
    for name, cohort in results.cohorts.items():
        banks = [result for result in results.banks if result.dataset == name]
        datasets.append(_of_dataset(cohort, banks))
    datasets = [item for item in datasets if item.inverted or item.examples or item.pictures]
    asked = [item for item in headlines if _updates(item.result) or _site(item.result)]
    return Reconstruction(tuple(datasets), _answers_table(asked) if asked else None) if datasets or asked else None


def _of_dataset(cohort: Cohort, banks: Sequence[Result]) -> OfDataset:
    inverted = [bank for bank in banks if settings_of(bank)]
    told = _inverted(cohort.name, inverted) if inverted else None
    if cohort.credentialed:
        return OfDataset(told, ())
    if any(bank.images for bank in banks):
        return OfDataset(told, (), draw_found(cohort.name, chosen_settings(inverted), banks))
    examples = _update_examples(cohort.name, inverted) + _cut_examples(cohort.name, banks)
    return OfDataset(told, tuple(examples))


def settings_of(result: Result) -> list[str]:
    """Return the settings in which updates were inverted, as the table writes them."""
    return sorted(dict.fromkeys(item.group for item in result.attacks.holding("gain", attack=INVERSION)), key=_place)


def _place(setting: str) -> tuple[bool, int, int, int]:
    """Return the key that sorts settings: the network as drawn, undefended, few steps, small batches first."""
    group = parse_group(setting)
    defence = [*DEFENCES].index(group["defence"]) if group.get("defence") in DEFENCES else len(DEFENCES)
    return group.get("model") != "start", defence, int(group.get("steps", 1)), int(group.get("batch", 0))


def describe(setting: str) -> str:
    """Return a setting in words."""
    group = parse_group(setting)
    defence = DEFENCES.get(group.get("defence", ""), group.get("defence", ""))
    steps = "" if group.get("steps", "1") == "1" else f", {plural(int(group['steps']), 'local step')}"
    if "part" in group:
        return f"whole round of {group['batch']} records{steps} of {group['part']}, {defence}"
    return f"batch of {group.get('batch', '?')}{steps}, {defence}"


# --- updates --------------------------------------------------------------------------------------------------------


def _inverted(dataset: str, banks: Sequence[Result]) -> Inverted:
    tried = [trial for bank in banks for setting in settings_of(bank) if (trial := Trial(bank, setting)).gain]
    single = [trial for trial in tried if SINGLE.items() <= trial.group.items()]
    chosen = [(_lead(*way), [trial for trial in tried if _is(trial, *way)]) for way in DEFENDED]
    return Inverted(
        dataset,
        max(single, key=lambda trial: trial.of_best("match").value, default=None),
        tuple(_defended(lead, trials) for lead, trials in chosen if trials),
        tuple(_inversion_tables(dataset, banks)),
    )


def _lead(defence: str, whole: bool) -> str:
    return f"in a whole round {DEFENCES[defence]}" if whole else DEFENCES[defence]


def _is(trial: Trial, defence: str, whole: bool) -> bool:
    """Return whether a setting has this defence, and is (or is not) a whole round."""
    return trial.group.get("defence") == defence and ("part" in trial.group) == whole


def _defended(lead: str, tried: Sequence[Trial]) -> Defended:
    judged = [trial for trial in tried if enough(trial.gain)]
    won = [trial for trial in judged if trial.gain.lower > 0]
    worst = max(won or judged or tried, key=lambda trial: trial.gain.value)
    return Defended(lead, len(judged), len(won), len(tried) - len(judged), worst)


def inversions(banks: Sequence[Result]) -> tuple[list[str], list[str]]:
    """Return the attacks that search a record from an update, and the baselines that see none, in the audit's order."""
    every = [item for bank in banks for item in bank.attacks if item.attack.startswith(INVERSION)]
    searches = list(dict.fromkeys(item.attack for item in every if item.measure == "gain"))
    return searches, [name for name in dict.fromkeys(item.attack for item in every) if name not in searches]


def _inversion_tables(dataset: str, banks: Sequence[Result]) -> list[Searched]:
    """Return a table of the bank tried in most settings, and a folded one of all others."""
    first = max(banks, key=lambda bank: len(settings_of(bank)))
    others = [bank for bank in banks if bank is not first]
    title = f"Gradient inversion on {dataset}"
    more = f"{title}: {plural(len(others), 'other bank')}"
    return [_inversion_table(title, [first]), *([_inversion_table(more, others, fold=more)] if others else [])]


def _inversion_table(title: str, banks: Sequence[Result], fold: str = "") -> Searched:
    searches, baselines = inversions(banks)
    rows = []
    for bank in banks:
        rows.append(Row(bank.treatment, below=(bank.artefact("federated_server"),)))
        trials = (Trial(bank, setting) for setting in settings_of(bank))
        rows += [Row(trial.name, trial, below=(trial.model,)) for trial in trials]
    best = "Best attack"
    images = banks[0].images
    what = "Pixels recovered" if images else "Variables recovered"
    columns = (
        *(Column(attack_name(name), _match(name), "", what) for name in searches),
        *(Column(attack_name(name), _match(name), "baseline", what) for name in baselines),
        Column("Gain", lambda trial: value_cell(trial.gain, share=True, attack=True, signed=True),
               "best attack over the better baseline", best),
        Column("Verdict", lambda trial: _verdict(trial.gain), "", best, "prose"),
        *(_of_images(best) if images else _of_rows(best)),
        Column("n", lambda trial: n_of(trial.gain), "images" if images else "records"),
        Column("Patients", lambda trial: patients_of(trial.gain)),
    )  # fmt: skip
    return Searched(Table(title, "Setting", columns, tuple(rows), fold), len(searches))


def _of_rows(over: str) -> tuple[Column, ...]:
    return (Column("Whole records", lambda trial: value_cell(trial.of_best("rows"), share=True), "", over),)


def _of_images(over: str) -> tuple[Column, ...]:
    return (
        Column("Identified", lambda trial: value_cell(trial.of_best("identified"), share=True),
               "nearer than every public image", over),
        Column("PSNR", lambda trial: value_cell(trial.of_best("psnr"), places=1), "dB", over),
        Column("SSIM", lambda trial: value_cell(trial.of_best("ssim"), places=2), "", over),
        Column("PSNR", lambda trial: value_cell(trial.figure("psnr", "inversion-mode"), places=1), "dB", "Mean image"),
    )  # fmt: skip


def _verdict(gain: Measure | None) -> Cell:
    if gain is None or gain.lower != gain.lower:
        return prose(MISSING)
    if not enough(gain):
        return prose(TOO_FEW, "open")
    return prose("beats the baselines", "bad") if gain.lower > 0 else prose("not shown to beat them", "open")


def _match(attack: str) -> Callable[[Trial], Cell]:
    """Return the function from a setting to the share recovered, with that of numbers and of categories below it."""

    def cell(trial: Trial) -> Cell:
        parts = {kind: trial.figure("match", attack, kind=kind) for kind in ("number", "category")}
        details = (f"{kind} {percent(item.value, 0)}" for kind, item in parts.items() if item is not None)
        return value_cell(trial.figure("match", attack), share=True).below(*details)

    return cell


# --- single records -------------------------------------------------------------------------------------------------


def chosen_settings(banks: Sequence[Result]) -> list[tuple[Trial, list[Record]]]:
    """Return the settings whose examples are shown, with their rows: alone, among others, under each defence."""
    settings: dict[str, tuple[Result, list[Record]]] = {}
    for bank in banks:
        for row in bank.rows("federated_server-examples"):
            settings.setdefault(row["setting"], (bank, []))
            if settings[row["setting"]][0] is bank:
                settings[row["setting"]][1].append(row)
    chosen: list[str] = []
    for wanted in ({"batch": "1", "defence": "none"}, {"defence": "none"}, {"defence": "dp"}, {"defence": "secure"}):
        found = [name for name in settings if wanted.items() <= parse_group(name).items() and name not in chosen]
        chosen += sorted(found, key=_place)[:1]
    return [(Trial(settings[setting][0], setting), settings[setting][1]) for setting in chosen]


def _update_examples(dataset: str, banks: Sequence[Result]) -> list[Example]:
    """Return one record and what each attack made of it, in each chosen setting."""
    examples: list[Example] = []
    for trial, rows in chosen_settings(banks):
        title = f"One record of {dataset} from an update: {trial.name}"
        examples.append(_example(title, f"{trial.result.treatment}, {trial.model}", rows, fold=bool(examples)))
    return examples


def _cut_examples(dataset: str, banks: Sequence[Result]) -> list[Example]:
    """Return one record and what each attack made of what crossed the cut, of each split bank."""
    examples: list[Example] = []
    for bank in banks:
        rows = [row for row in bank.rows("split_server-examples") if row["record"] == "1"]
        if rows:
            title = f"One record of {dataset} from the cut of {bank.treatment}"
            examples.append(_example(title, "", rows, fold=bool(examples)))
    return examples


def _example(title: str, lead: str, rows: Sequence[Record], fold: bool) -> Example:
    """Return one record's features; of a long one that stands open only the first do, in the dataset's order."""
    features: dict[str, dict[str, Record]] = defaultdict(dict)
    for row in rows:
        features[row["feature"]][row["attack"]] = row
    lines = [_feature_row(feature, found) for feature, found in features.items()]
    attacks = dict.fromkeys(row["attack"] for row in rows)
    columns = (
        Column("True", lambda found: _amount(next(iter(found.values()))["true"])),
        *(Column(attack_name(name), _found_by(name), over="Found by") for name in attacks),
    )

    def table(title: str, lines: Sequence[Row], fold: str = "") -> Table:
        return Table(title, "Feature", columns, tuple(lines), fold)

    if fold or len(lines) <= WHOLE:
        return Example(lead, (table(title, lines, title if fold else ""),))
    others = f"The other {len(lines) - SHOWN} features of this record"
    parts = (table(title, lines[:SHOWN]), table(f"{title}, other features", lines[SHOWN:], others))
    return Example(lead, parts, len(lines))


def _feature_row(feature: str, found: dict[str, Record]) -> Row:
    unit = next(iter(found.values()))["unit"]
    return Row(feature, found, below=(unit,) if unit else ())


def _found_by(attack: str) -> Callable[[dict[str, Record]], Cell]:
    return lambda found: _amount(found[attack]["found"] if attack in found else "")


def _amount(text: str) -> Cell:
    """Return a value in three significant digits, down to thousandths."""
    if not text:
        return NOTHING
    value = float(text)
    short = "0" if abs(value) < TINY else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return Cell(short.replace("-", "−"), order=f"{value:.6g}")


# --- who and where --------------------------------------------------------------------------------------------------


def _updates(result: Result) -> Measure | None:
    return result.attacks.find("auc", {"level": "patient"}, SERVER_VIEW)


def _site(result: Result) -> Measure | None:
    return result.attacks.find("accuracy", attack=SITE)


def _answers_table(headlines: Sequence[Headline]) -> Table:
    """Return what updates tell of who took part and where they come from."""
    who, where = "Who took part", "Which site sent it"
    columns = (
        Column("From updates", lambda item: value_cell(_updates(item.result)), "AUC per patient", who),
        Column("n", lambda item: n_of(_updates(item.result)), "non-members", who),
        Column("From the final model", leak_cell, "AUC, strongest attack", who),
        Column("Site named", lambda item: value_cell(_site(item.result), share=True), "share of answers", where),
        Column("Chance", lambda item: _chance_cell(item.result), "", where),
        Column("n", lambda item: n_of(_site(item.result)), "answers", where),
        Column("Artefact", lambda item: source_cell(item.result.artefact("federated_server")), form="code"),
    )
    rows = tuple(Row(item.result.treatment, item, above=item.result.dataset) for item in headlines)
    return Table("Who took part, and where", "Bank", columns, rows)


def _chance_cell(result: Result) -> Cell:
    chance = result.attacks.find("chance", attack=SITE)
    return NOTHING if chance is None else Cell(percent(chance.value), order=f"{chance.value:.6g}")


SECTION = Section(
    "reconstruction",
    "reconstruction",
    "What does the server see?",
    "What the server sees",
    collect,
    families=("federated_server", "split_server"),
    figures=lambda found: tuple(item.pictures for item in found.datasets if item.pictures),
)
