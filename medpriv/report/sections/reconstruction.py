"""What the server sees: records rebuilt from a client's update, or from what crossed the cut, beside the true ones.

"Beats" is said only where the interval of the gain over the better baseline lies above 0. Of several attacks the best
is taken, so its gain is slightly too high. Single records are shown of open and simulated datasets alone.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from medpriv.measures.intervals import LEVEL
from medpriv.measures.table import Measure
from medpriv.report import words
from medpriv.report.comparison import SERVER_VIEW, Headline, find, parse_group, select
from medpriv.report.enough import TOO_FEW, enough
from medpriv.report.inputs import Cohort, Result
from medpriv.report.inputs import Row as Record
from medpriv.report.layout import Cell, Column, Row, Section, Table, count_cell, prose, source_cell, value_cell
from medpriv.report.sections.private_figures import leak_cell

INVERSION = "inversion-"
DEFENCES = {"none": "undefended", "dp": "under DP-SGD", "secure": "under secure aggregation"}
TINY = 5e-4  # of a unit: shown as 0
WHOLE, SHOWN = 20, 12  # features: a record of more than the first is shown by so many, and the others are folded
MODELS = {"start": "network as drawn", "end": "network as trained"}


def reconstruction_section(cohorts: Mapping[str, Cohort], headlines: Sequence[Headline]) -> Section | None:
    """Return the section; None where no server was attacked."""
    groups: dict[str, list[Result]] = defaultdict(list)
    for headline in headlines:
        groups[headline.result.dataset].append(headline.result)
    parts, sentences = [], []
    for dataset, results in groups.items():
        inverted = [result for result in results if settings_of(result)]
        if inverted:
            sentences.append(_sentence(dataset, inverted))
            parts += _inversion_tables(dataset, inverted)
        if not cohorts[dataset].credentialed:
            parts += _update_examples(dataset, inverted)
            parts += _cut_examples(dataset, results)
    answers = _answers_table([item for item in headlines if _updates(item.result) or _site(item.result)])
    parts += [answers] if answers else []
    if not parts:
        return None
    return Section(
        "reconstruction",
        "What does the server see?",
        "What the server sees",
        (
            "In federated learning records stay at home and updates travel. An update is a function of the records "
            "behind it, so a curious server may look for records that would have given the same update. The baselines "
            "see no update: “mode” is the typical record of public data, “random” is drawn from it.",
            *(text for text in sentences if text),
        ),
        tuple(parts),
    )


def settings_of(result: Result) -> list[str]:
    """Return the settings in which updates were inverted, as the table writes them."""
    found = (item.group for item in result.attacks if item.measure == "gain" and item.attack.startswith("inversion-"))
    return sorted(dict.fromkeys(found), key=_place)


def _place(setting: str) -> tuple[bool, int, int, int]:
    """Return the key that sorts settings: the network as drawn, undefended, few steps, small batches first."""
    group = parse_group(setting)
    defence = [*DEFENCES].index(group["defence"]) if group.get("defence") in DEFENCES else len(DEFENCES)
    return group.get("model") != "start", defence, int(group.get("steps", 1)), int(group.get("batch", 0))


def best_attack(result: Result, setting: str) -> Measure | None:
    """Return the gain of the attack that recovers most in a setting."""
    group = parse_group(setting)
    gains = [item for item in select(result.attacks, "gain", group, INVERSION) if not math.isnan(item.value)]
    return max(gains, key=lambda item: item.value, default=None)


def describe(setting: str) -> str:
    """Return a setting in words."""
    group = parse_group(setting)
    defence = DEFENCES.get(group.get("defence", ""), group.get("defence", ""))
    steps = "" if group.get("steps", "1") == "1" else f", {words.plural(int(group['steps']), 'local step')}"
    if "part" in group:
        return f"whole round of {group['batch']} records{steps} of {group['part']}, {defence}"
    return f"batch of {group.get('batch', '?')}{steps}, {defence}"


# --- updates --------------------------------------------------------------------------------------------------------


def _sentence(dataset: str, results: Sequence[Result]) -> str:
    """Return what is recovered from single records undefended, and whether each defence stops it."""
    parts = []
    tried = [(result, setting) for result in results for setting in settings_of(result) if best_attack(result, setting)]
    single = {"batch": "1", "steps": "1", "defence": "none"}
    if undefended := [pair for pair in tried if single.items() <= parse_group(pair[1]).items()]:
        result, setting = max(undefended, key=lambda pair: _match_of_best(*pair))
        gain = best_attack(result, setting)
        match = find(result.attacks, "match", parse_group(setting), gain.attack)
        rows = find(result.attacks, "rows", parse_group(setting), gain.attack)
        mode = find(result.attacks, "match", parse_group(setting), "inversion-mode")
        parts.append(
            f"at best ({MODELS.get(parse_group(setting)['model'], '')}, {result.treatment}) the update of a single "
            f"record, undefended, gives back {words.percent(match.value)} of its variables by the "
            f"{words.attack_name(gain.attack)} attack (95 % interval {words.interval(match, share=True)} %, "
            f"{_counts(match)}), the mode {words.percent(mode.value)}; "
            f"{words.percent(rows.value)} of records come back whole"
        )
    for name, whole in (("dp", False), ("secure", False), ("none", True), ("secure", True)):
        chosen = [pair for pair in tried if _is(pair[1], name, whole)]
        if chosen:
            lead = f"in a whole round {DEFENCES[name]}" if whole else DEFENCES[name]
            parts.append(_of_defence(lead, [(*pair, best_attack(*pair)) for pair in chosen]))
    return f"On {dataset}, {'; '.join(parts)}." if parts else ""


def _is(setting: str, defence: str, whole: bool) -> bool:
    """Return whether a setting has this defence, and is (or is not) a whole round."""
    group = parse_group(setting)
    return group.get("defence") == defence and ("part" in group) == whole


def _of_defence(lead: str, tried: Sequence[tuple[Result, str, Measure]]) -> str:
    """Return whether any attack beats the baselines in some settings, and by how much in the worst."""
    judged = [trial for trial in tried if enough(trial[2])]
    few = len(tried) - len(judged)
    won = [trial for trial in judged if trial[2].lower > 0]
    result, setting, gain = max(won or judged or tried, key=lambda trial: trial[2].value)
    about = f"95 % interval {words.interval(gain, share=True)} %, {_counts(gain)}"
    worst = f"{words.percent(gain.value)}, {about}, {describe(setting)}, {result.treatment}"
    if not judged:
        told = f"{words.plural(few, 'setting')} on too few patients to judge"
        return f"{lead} {told} (the largest gain is {worst})"
    more = f"; {words.plural(few, 'setting')} on too few patients not judged" if few else ""
    count = words.plural(len(judged), "setting")
    if not won:
        return f"{lead} no attack is shown to beat the better baseline in {count} (the largest gain is {worst}{more})"
    return (
        f"{lead} the best attack beats the better baseline in {len(won)} of {count}, by up to "
        f"{words.percent(gain.value)} ({about}, {words.attack_name(gain.attack)}, {describe(setting)}, "
        f"{result.treatment}{more})"
    )


def _counts(measure: Measure) -> str:
    """Return the records and patients that a figure rests on."""
    people = f" of {words.plural(measure.patients, 'patient')}" if measure.patients else ""
    return f"n = {words.plural(measure.n, 'record')}{people}"


def _match_of_best(result: Result, setting: str) -> float:
    return find(result.attacks, "match", parse_group(setting), best_attack(result, setting).attack).value


def _inversion_tables(dataset: str, results: Sequence[Result]) -> list[Table]:
    """Return a table of the bank tried in most settings, and a folded one of all others."""
    first = max(results, key=lambda result: len(settings_of(result)))
    others = [result for result in results if result is not first]
    title = f"Gradient inversion on {dataset}"
    tables = [_inversion_table(title, [first])]
    if others:
        more = f"{title}: {words.plural(len(others), 'other bank')}"
        tables.append(_inversion_table(more, others, fold=more))
    return tables


def inversions(results: Sequence[Result]) -> tuple[list[str], list[str]]:
    """Return the attacks that search a record from an update, and the baselines that see none, in the audit's order."""
    every = [item for result in results for item in result.attacks if item.attack.startswith(INVERSION)]
    searches = list(dict.fromkeys(item.attack for item in every if item.measure == "gain"))
    return searches, [name for name in dict.fromkeys(item.attack for item in every) if name not in searches]


def _inversion_table(title: str, results: Sequence[Result], fold: str = "") -> Table:
    searches, baselines = inversions(results)
    rows = []
    for result in results:
        rows.append(Row(result.treatment, (), below=(result.artefact("server"),)))
        rows += [_setting_row(result, setting, (*searches, *baselines)) for setting in settings_of(result)]
    columns = (
        Column("Setting"),
        *(Column(words.attack_name(name), "", "Variables recovered") for name in searches),
        *(Column(words.attack_name(name), "baseline", "Variables recovered") for name in baselines),
        Column("Gain", "best attack over the better baseline", "Best attack"),
        Column("Verdict", "", "Best attack", "prose"),
        Column("Whole records", "", "Best attack"),
        Column("n", "records"),
        Column("Patients"),
    )
    lede = (
        "A number counts as recovered within 0.319 standard deviations, a category if its nearest state is the true "
        "one. Gains are paired by update; intervals are a bootstrap over updates. Choosing the best of "
        f"{len(searches)} attacks makes its gain slightly too high: were none better than the baseline, up to "
        f"{words.percent(len(searches) * (1 - LEVEL) / 2, 1)} of settings would still be called beaten. FedAvg is "
        "tried in every setting, other strategies under their own protection."
    )
    return Table(title, columns, tuple(rows), lede, fold)


def _verdict(gain: Measure | None) -> Cell:
    if gain is None or math.isnan(gain.lower):
        return prose(words.MISSING)
    if not enough(gain):
        return prose(TOO_FEW, "open")
    return prose("beats the baselines", "bad") if gain.lower > 0 else prose("not shown to beat them", "open")


def _setting_row(result: Result, setting: str, attacks: Sequence[str]) -> Row:
    group, gain = parse_group(setting), best_attack(result, setting)
    cells = (
        *(_match_cell(result, group, attack) for attack in attacks),
        value_cell(gain, share=True, attack=True, signed=True),
        _verdict(gain),
        value_cell(find(result.attacks, "rows", group, gain.attack), share=True) if gain else Cell(words.MISSING),
        count_cell(gain.n if gain else None),
        count_cell(gain.patients if gain else None),
    )
    return Row(describe(setting), cells, below=(MODELS.get(group.get("model", ""), ""),))


def _match_cell(result: Result, group: Mapping[str, str], attack: str) -> Cell:
    """Return the share recovered, with that of numbers and of categories below it."""
    cell = value_cell(find(result.attacks, "match", group, attack), share=True)
    parts = {kind: find(result.attacks, "match", {**group, "kind": kind}, attack) for kind in ("number", "category")}
    details = tuple(f"{kind} {words.percent(item.value, 0)}" for kind, item in parts.items() if item is not None)
    return Cell(cell.text, (*cell.details, *details), cell.order)


def _update_examples(dataset: str, results: Sequence[Result]) -> list[Table]:
    """Return one record and what each attack made of it: alone, among others, under each defence."""
    settings: dict[str, tuple[Result, list[Record]]] = {}
    for result in results:
        for row in result.rows("server-examples"):
            settings.setdefault(row["setting"], (result, []))
            if settings[row["setting"]][0] is result:
                settings[row["setting"]][1].append(row)
    chosen = []
    for wanted in ({"batch": "1", "defence": "none"}, {"defence": "none"}, {"defence": "dp"}, {"defence": "secure"}):
        found = [name for name in settings if wanted.items() <= parse_group(name).items() and name not in chosen]
        chosen += sorted(found, key=_place)[:1]
    tables = []
    for setting in chosen:
        result, rows = settings[setting]
        title = f"One record of {dataset} from an update: {describe(setting)}"
        model = MODELS.get(parse_group(setting).get("model", ""), "")
        lede = (
            f"{result.treatment}, {model}; n = 1 record, an example. Codes are as the attack gave them, not set to the "
            "nearest one."
        )
        tables += _example_tables(title, lede, rows, fold=bool(tables))
    return tables


def _example_tables(title: str, lede: str, rows: Sequence[Record], fold: bool) -> list[Table]:
    """Return one record's features; of a long one that stands open only the first do, in the dataset's order."""
    features: dict[str, dict[str, Record]] = defaultdict(dict)
    for row in rows:
        features[row["feature"]][row["attack"]] = row
    attacks = list(dict.fromkeys(row["attack"] for row in rows))
    lines = []
    for feature, found in features.items():
        first = next(iter(found.values()))
        cells = (_amount(first["true"]), *(_amount(found[name]["found"] if name in found else "") for name in attacks))
        lines.append(Row(feature, cells, below=(first["unit"],) if first["unit"] else ()))
    columns = (
        Column("Feature"),
        Column("True"),
        *(Column(words.attack_name(name), "", "Found by") for name in attacks),
    )
    if fold or len(lines) <= WHOLE:
        return [Table(title, columns, tuple(lines), lede, fold=title if fold else "")]
    lede = f"{lede} The first {SHOWN} of {len(lines)} features; the others are folded below."
    more = f"The other {len(lines) - SHOWN} features of this record"
    return [
        Table(title, columns, tuple(lines[:SHOWN]), lede),
        Table(f"{title}, other features", columns, tuple(lines[SHOWN:]), fold=more),
    ]


def _amount(text: str) -> Cell:
    """Return a value in three significant digits, down to thousandths."""
    if not text:
        return Cell(words.MISSING)
    value = float(text)
    short = "0" if abs(value) < TINY else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return Cell(short.replace("-", "−"), order=f"{value:.6g}")


# --- the cut --------------------------------------------------------------------------------------------------------


def _cut_examples(dataset: str, results: Sequence[Result]) -> list[Table]:
    """Return one record and what each attack made of what crossed the cut, of each split bank."""
    tables = []
    for result in results:
        rows = [row for row in result.rows("cut-examples") if row["record"] == "1"]
        if rows:
            title = f"One record of {dataset} from the cut of {result.treatment}"
            tables += _example_tables(title, "n = 1 record, an example.", rows, fold=bool(tables))
    return tables


# --- who and where --------------------------------------------------------------------------------------------------


def _updates(result: Result) -> Measure | None:
    return find(result.attacks, "auc", {"level": "patient"}, SERVER_VIEW)


def _site(result: Result) -> Measure | None:
    return find(result.attacks, "accuracy", {}, "property-site")


def _answers_table(headlines: Sequence[Headline]) -> Table | None:
    """Return what updates tell of who took part and where they come from; None without such attacks."""
    rows = []
    for headline in headlines:
        result = headline.result
        chance = find(result.attacks, "chance", {}, "property-site")
        seen, site = _updates(result), _site(result)
        cells = (
            value_cell(seen),
            count_cell(seen.n if seen else None),
            leak_cell(headline),
            value_cell(site, share=True),
            Cell(words.MISSING) if chance is None else Cell(words.percent(chance.value), order=f"{chance.value:.6g}"),
            count_cell(site.n if site else None),
            source_cell(result.artefact("server")),
        )
        rows.append(Row(result.treatment, cells, above=result.dataset))
    if not rows:
        return None
    columns = (
        Column("Bank"),
        Column("From updates", "AUC per patient", "Who took part"),
        Column("n", "non-members", "Who took part"),
        Column("From the final model", "AUC, strongest attack", "Who took part"),
        Column("Site named", "share of answers", "Which site sent it"),
        Column("Chance", "", "Which site sent it"),
        Column("n", "answers", "Which site sent it"),
        Column("Artefact", form="code"),
    )
    lede = (
        "Where the server sees only the clients’ sum there is no site to name. The attack on updates replays a few "
        "replicates, that on the final model uses all of them and is the strongest of several, so what the best of as "
        "many reaches by chance stands below it."
    )
    return Table("Who took part, and where", columns, tuple(rows), lede)
