"""The report's first sentences and verdict counts worked out anew, from `comparison.csv` alone.

Of `medpriv.report` only the names of measures and attacks are used: this is a second reading of the rules, against
which the page is held. The rules:

- A model is its rows of one dataset and treatment that have a network (`model`); the others are derived ones.
- No skill: `auroc` was measured or `accuracy_over_majority`, and neither has its lower limit above 0.5 or 0.
- A figure has people enough if its patients (its n, where it counts none) are 10 or more.
- A leak is shown: people enough, lower limit above guessing, value above the upper limit of the best by chance.
- First sentence: of models with skill and a table that doesn't leak, those on 30 or more patients; else on 10 or more.
- Other kinds: models that are no classifiers and no controls, on people enough; of each kind the highest leak shown.
- Less: people enough on both sides, and the one upper limit below the other lower one.
"""

import csv
import html
import math
import re
from pathlib import Path
from typing import NamedTuple

from medpriv.catalogue.generators import GENERATORS
from medpriv.report.labels import attack_name, measure_name

LEVELS = ("patient", "record")
Model = dict[str, dict]


def check_report(folder: Path) -> None:
    """Assert that the page in a report's folder says what its `comparison.csv` says."""
    rows = read_rows(folder / "comparison.csv")
    models = read_models(rows)
    page = (folder / "index.html").read_text(encoding="utf-8")
    said = [html.unescape(text) for text in re.findall(r'<p class="answer">(.*?)</p>', page, re.DOTALL)]
    classifiers = [model for model in models if not kind(model)]
    assert said == sentences(models)
    table = page[page.index('<section id="comparison">') : page.index("</section>")]
    lines = [html.unescape(text) for text in re.findall(r"<small>(leaks per \w+: .*?)</small>", table)]
    assert lines == counts(models)
    text = html.unescape(re.sub(r"<[^>]*>", "", page))
    for name in dict.fromkeys(map(dataset, classifiers)):
        own = [model for model in classifiers if dataset(model) == name]
        for start, needed in (*guarantees(name, own), *firmness(name, own), *forgetting(name, rows)):
            (sentence,) = (line for line in text.splitlines() if line.strip().startswith(start))
            assert needed in sentence, (needed, sentence)


def read_rows(path: Path) -> list[dict]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def read_models(rows: list[dict]) -> list[Model]:
    """Return every model of the table: its figures by headline, and `about` it."""
    models: dict[tuple[str, str], Model] = {}
    for row in (row for row in rows if row["model"]):
        model = models.setdefault((row["dataset"], row["treatment"]), {"about": row})
        figure = {name: float(row[name]) if row[name] else math.nan for name in ("value", "lower", "upper")}
        figure |= {"n": int(row["n"]), "people": int(row["patients"]) or int(row["n"])}
        model[row["headline"]] = figure | {name: row[name] for name in ("measure", "group", "attack")}
    return list(models.values())


def dataset(model: Model) -> str:
    about = model["about"]
    return about["dataset"] + (" (simulated)" if about["simulated"] == "true" else "")


def treatment(model: Model) -> str:
    return model["about"]["treatment"]


def kind(model: Model) -> str:
    """Return what it is other than a classifier; empty for one."""
    first, _, rest = treatment(model).partition("-")
    if first == "synthetic":
        return GENERATORS[rest.partition("-")[0]].kind.replace("_", " ")
    return "language model" if first == "lm" else ""


def control(model: Model) -> bool:
    first, _, rest = treatment(model).partition("-")
    if first == "synthetic":
        return bool(GENERATORS[rest.partition("-")[0]].control)
    return treatment(model) in ("lm-base", "lm-unlearned-fake", "lm-unlearned-destroyed")


def name_of(model: Model) -> str:
    return f"{treatment(model)} on {dataset(model)}"


def leaking(model: Model) -> bool:
    return model["about"]["leaking"] == "true"


def skilled(model: Model) -> bool:
    guessing = {"auroc": 0.5, "accuracy_over_majority": 0.0}
    measured = [name for name in guessing if name in model]
    judged = any(enough(model[name]) for name in measured)
    return not judged or any(model[name]["lower"] > guessing[name] for name in measured)


def enough(figure: dict | None) -> bool:
    return figure is not None and figure["value"] == figure["value"] and figure["people"] >= 10


def leak(model: Model, level: str) -> dict | None:
    found = model.get(f"membership_auc_{level}")
    return found if found and found["value"] == found["value"] else None


def beyond(figure: dict | None, chance: dict | None, guessing: float) -> bool:
    return bool(enough(figure) and chance and figure["lower"] > guessing and figure["value"] > chance["upper"])


def shown(model: Model, level: str) -> bool:
    return beyond(leak(model, level), model.get(f"membership_auc_chance_{level}"), 0.5)


def less(one: dict | None, other: dict | None) -> bool:
    return enough(one) and enough(other) and one["upper"] < other["lower"]


def counts(models: list[Model]) -> list[str]:
    """Return of each dataset and level how many leaks were shown, and how many not."""
    names = dict.fromkeys(dataset(model) for model in models if not leaking(model))
    found = []
    for name, level in ((name, level) for name in names for level in LEVELS):
        verdicts = [verdict(model, level) for model in models if dataset(model) == name and leak(model, level)]
        kinds = ("shown", "not shown", "too few", "no skill")
        text = ", ".join(f"{verdicts.count(kind)} {kind}" for kind in kinds if kind in verdicts)
        found += [f"leaks per {level}: {text}"] if text else []
    return found


def verdict(model: Model, level: str) -> str:
    if not skilled(model):
        return "no skill"
    if not enough(leak(model, level)):
        return "too few"
    return "shown" if shown(model, level) else "not shown"


def guarantees(name: str, models: list[Model]) -> list[tuple[str, str]]:
    """Return how a dataset's sentence on shown leaks begins, and in how many models with and without a guarantee."""
    private = [model for model in models if "epsilon_accountant" in model]
    start, found = f"Membership is shown above guessing on {name} ", []
    for own, text in (
        (private, "with a guarantee"),
        ([model for model in models if model not in private], "without one"),
    ):
        usable = [model for model in own if skilled(model) and not leaking(model)]
        levels = [next((level for level in LEVELS if leak(model, level)), "") for model in usable]
        pairs = [(model, level) for model, level in zip(usable, levels, strict=True) if enough(leak(model, level))]
        judged = [pair for pair in pairs if f"membership_auc_chance_{pair[1]}" in pair[0]]
        if judged and private:
            found.append((start, f"in {sum(shown(*pair) for pair in judged)} of {count(len(judged), 'bank')} {text} ("))
    return found


def firmness(name: str, models: list[Model]) -> list[tuple[str, str]]:
    """Return how a dataset's sentence on robustness begins, and how many defences lower the flip rate."""
    pairs = defended(models)
    if not pairs:
        return []
    lower = sum(less(flip(model), flip(base)) for model, base in pairs)
    return [(f"On {name}, at ", f"{lower or 'none'} of {count(len(pairs), 'defence')} lower")]


def forgetting(name: str, rows: list[dict]) -> list[tuple[str, str]]:
    """Return how a dataset's sentences on forgetting begin, and how many methods forget and stay usable."""
    asked = {
        "population": "models asked to forget one patient",
        "personal": "personalised models asked to forget beats",
    }
    found = []
    for request, text in asked.items():
        own = [row for row in rows if dataset({"about": row}) == name and row["group"] == f"request={request}"]
        verdicts: dict[str, list[str]] = {}
        for row in own:
            if row["headline"] in ("forgotten", "usable"):
                verdicts.setdefault(row["treatment"].removesuffix("-personal"), []).append(row["value"])
        others = ("unlearned-retrain", "unlearned-fake", "unlearned-destroyed")
        methods = [pair for name, pair in verdicts.items() if name.startswith("unlearned-") and name not in others]
        if not methods:
            continue
        good = sum(pair == ["1", "1"] for pair in methods)
        needed = f"{good or 'none'} of {count(len(methods), 'method')}"
        if any(pair[0] == "-1" for pair in verdicts.values()):
            needed = f"too few to tell of any of {count(len(methods), 'method')}"
        found.append((f"On {name}, {text}: ", needed))
    return found


def sentences(models: list[Model]) -> list[str]:
    """Return the sentences at the top of the page."""
    classifiers, rest = [model for model in models if not kind(model)], other_kinds(models)
    first = leak_and_price(classifiers)
    if rest and first[0].startswith("No membership attack"):
        first = ["No membership attack was run on classifiers, so this report can't say what they remember."]
    return [text for text in (*first, rest, *defences(classifiers)) if text]


def other_kinds(models: list[Model]) -> str:
    texts = []
    for name in dict.fromkeys(map(kind, models)):
        own = [model for model in models if name and kind(model) == name and not control(model)]
        own = [model for model in own if skilled(model) and not leaking(model)]
        levels = [next((level for level in LEVELS if leak(model, level)), "") for model in own]
        pairs = [(model, level) for model, level in zip(own, levels, strict=True) if level]
        judged = [(leak(*pair)["value"], *pair) for pair in pairs if enough(leak(*pair))]
        if not judged:
            continue
        found, told = [each for each in judged if shown(*each[1:])], "none was shown"
        if found:
            value, worst, level = max(found, key=lambda each: each[0])
            own_leak = leak(worst, level)
            bounds = "" if not ends(own_leak) else f" ({number(own_leak['lower'])} to {number(own_leak['upper'])})"
            told = f"the highest shown is an AUC of {number(value)} per {level}{bounds} for {name_of(worst)}, by "
            told += attack_name(own_leak["attack"])
        texts.append(f"{count(len(judged), name)}: {told}")
    return f"Of other models, controls aside, a leak was judged of {'; '.join(texts)}." if texts else ""


def leak_and_price(models: list[Model]) -> list[str]:
    pools = [pool(models, level) for level in LEVELS]
    for each in pools:
        leaks = [model for model in each.compared if shown(model, each.level)]
        if leaks:
            worst = max(leaks, key=lambda model: leak(model, each.level)["value"])
            return [most_revealing(worst, each), price(worst, models, each.level)]
    for each in pools:
        if each.compared:
            worst = max(each.compared, key=lambda model: leak(model, each.level)["value"])
            return [nothing_shown(worst, each), price(worst, models, each.level)]
    wanting = [
        what
        for what, kind in (("enough patients", "few"), ("skill", "dull"), ("a table that keeps the outcome", "leaking"))
        if any(getattr(each, kind) for each in pools)
    ]
    if wanting:
        return [
            f"No classifier that was attacked has {' and '.join(wanting)}, so nothing is said about what it remembers."
        ]
    return ["No membership attack was run, so this report can't say what the models remember."]


class Pool(NamedTuple):
    """The models that were attacked at a level: compared, and left out for a reason; `text` names the compared."""

    level: str
    text: str
    compared: list[Model]
    few: list[Model]
    dull: list[Model]
    leaking: list[Model]


def pool(models: list[Model], level: str) -> Pool:
    attacked = [model for model in models if leak(model, level)]
    sound = [model for model in attacked if skilled(model) and not leaking(model)]
    sizes = [leak(model, level)["people"] for model in sound]
    least = 30 if max(sizes, default=0) >= 30 else min((size for size in sizes if size >= 10), default=10)
    compared = [model for model in sound if leak(model, level)["people"] >= least]
    records = "records of " if level == "record" else ""
    return Pool(
        level,
        f"compared on {records}{least} or more unseen patients",
        compared,
        [model for model in sound if model not in compared],
        [model for model in attacked if not skilled(model) and not leaking(model)],
        [model for model in attacked if leaking(model)],
    )


def most_revealing(worst: Model, found: Pool) -> str:
    level, own = found.level, leak(worst, found.level)
    others = [model for model in found.compared if model is not worst]
    rivals = [name_of(model) for model in others if not leak(model, level)["upper"] < own["lower"]]
    order = "; its interval lies above that of every other of these" if others else ""
    if rivals:
        more = f" and {len(rivals) - 3} more" if len(rivals) > 3 else ""
        order = f"; its interval overlaps with {', '.join(rivals[:3])}{more}, so first place is not certain"
    first = f"Of the {len(found.compared)} classifiers {found.text}, {name_of(worst)} gives away most"
    if not others:
        first = f"{name_of(worst)}, the one classifier {found.text}, gives something away"
    return f"{first} about who was in its training data: {clause(worst, level)}{order}{left_out(own, found)}."


def nothing_shown(highest: Model, found: Pool) -> str:
    yet = ""
    for model in reversed(found.compared):
        for level in reversed(LEVELS):
            rate_and_chance = (model.get(f"membership_tpr_at_1pct_fpr_{each}{level}") for each in ("", "chance_"))
            if beyond(*rate_and_chance, 0.01):
                yet = f"; yet some {level}s of {name_of(model)} are named at a false-positive rate of 1\u00a0%"
    first = f"None of the {len(found.compared)} classifiers {found.text} was shown to give away who it was trained on: "
    first += f"at most, for {name_of(highest)}, "
    if len(found.compared) == 1:
        first = (
            f"{name_of(highest)}, the one classifier {found.text}, was not shown to give away who it was trained on: "
        )
    return (
        f"{first}{clause(highest, found.level)}, which this sample can't tell from guessing and which is no proof "
        f"of privacy{yet}{left_out(leak(highest, found.level), found)}."
    )


def clause(model: Model, level: str) -> str:
    own, chance = leak(model, level), model.get(f"membership_auc_chance_{level}")
    bounds = f"95\u00a0% interval {ends(own)}, " if ends(own) else ""
    people = f" of {count(own['people'], 'patient')}" if level == "record" else ""
    luck = ""
    if chance:
        attacks = round(model[f"membership_attacks_{level}"]["value"])
        luck = f", the best of {count(attacks, 'attack')} by luck: up to {percent(chance['upper'])}"
    return (
        f"the strongest attack ({attack_name(own['attack'])}) ranks a training {level} above an unseen one in "
        f"{percent(own['value'])} of pairs ({bounds}{count(own['n'], f'unseen {level}')}{people}; guessing: "
        f"50\u00a0%{luck})"
    )


def left_out(first: dict, found: Pool) -> str:
    texts = []
    sizes = sorted({leak(model, found.level)["people"] for model in found.few})
    few = f"with {' to '.join(dict.fromkeys(str(sizes[end]) for end in (0, -1)))} unseen patients" if sizes else ""
    reasons = ((found.few, few), (found.dull, "without skill"), (found.leaking, "whose table gives the outcome away"))
    for items, why in reasons:
        if items:
            higher = sum(leak(model, found.level)["value"] > first["value"] for model in items) or "none"
            names = ", ".join(dict.fromkeys(dataset(model) for model in items))
            texts.append(f"{count(len(items), 'classifier')} of {names} {why} ({higher} of them measured higher)")
    return f"; left out: {', '.join(texts)}" if texts else ""


def price(worst: Model, models: list[Model], level: str) -> str:
    if "utility" not in worst:
        return ""
    mine, name = worst["utility"], measure_name(worst["utility"]["measure"])
    reach = f"It reaches {utility(mine)} on test patients"
    same = [
        model
        for model in models
        if dataset(model) == dataset(worst)
        and skilled(model)
        and not leaking(model)
        and enough(leak(model, level))
        and enough(model.get("utility"))
        and model["utility"]["measure"] == mine["measure"]
    ]
    rivals = [model for model in same if model is not worst] if enough(mine) else []
    if not rivals:
        return f"{reach}."
    quiet = [model for model in rivals if less(leak(model, level), leak(worst, level))]
    if not quiet:
        others = count(len(rivals), "other classifier")
        return f"{reach}; on the same patients none of {others} was shown to leak less."

    def by_use(model: Model) -> tuple[float, float]:
        return model["utility"]["value"], -leak(model, level)["value"]

    cheap = [model for model in quiet if model["utility"]["value"] >= mine["value"]]
    best = max(cheap or quiet, key=by_use)
    text = f"leaks less ({percent(leak(best, level)['value'])} of pairs, {ends(leak(best, level))})"
    if cheap:
        text += f" and isn’t less useful ({utility(best['utility'])})"
        plain = [model for model in cheap if is_baseline(model)]
        if plain:
            other, kind = max(plain, key=by_use), "another model without a defence"
            figures = f"{percent(leak(other, level)['value'])}, {number(other['utility']['value'])}"
            text += (
                f"; that is {kind}" if best in plain else f"; {kind}, {treatment(other)}, leaks less too ({figures})"
            )
            text += ", and nothing guarantees it"
    else:
        apart = best["utility"]["value"] < mine["lower"]
        text += f", at {utility(best['utility'])}, "
        text += "the least that leaking less costs" if apart else "within the interval of the other"
    points = [(leak(model, level)["value"], model["utility"]["value"], treatment(model)) for model in [worst, *rivals]]
    front = [
        point
        for point in points
        if not any(o[0] <= point[0] and o[1] >= point[1] and o[:2] != point[:2] for o in points)
    ]
    listed = ", ".join(
        f"{each} ({percent(x)}, {number(y)})" for x, y, each in sorted(front, key=lambda point: point[0])
    )
    return (
        f"{reach}; on the same patients {treatment(best)} {text}. Of {count(len(points), 'classifier')} there, these "
        f"are beaten in both by no other (Pareto front of leak and {name}): {listed}."
    )


def defences(models: list[Model]) -> list[str]:
    return [defence(models, name) for name in dict.fromkeys(dataset(model) for model in models)]


def defence(models: list[Model], name: str) -> str:
    pairs = defended([model for model in models if dataset(model) == name])
    if not pairs:
        return ""
    lower = [pair for pair in pairs if less(flip(pair[0]), flip(pair[1]))]
    good = [pair for pair in lower if holds(*pair)]
    budget = float(re.search(r"budget=([^,]*)", flip(pairs[0][0])["group"])[1])
    where = f"Against changes of at most {1000 * budget:g}\u00a0µV on {name}"
    verb = "lower" if len(lower) > 1 else "lowers"
    lowers = f"{len(lower) or 'none'} of {count(len(pairs), 'defence')} {verb} the flip rate beyond the intervals"
    if not good:
        return f"{where} {lowers}{', and each of these fails a masking check or is less useful' if lower else ''}."
    best, base = max(good, key=lambda pair: flip(pair[1])["value"] - flip(pair[0])["value"])
    others = [model for model, other in good if other is base and model is not best]
    equal = [treatment(model) for model in others if not less(flip(best), flip(model))]
    doubt = f" ({', '.join(equal)} can’t be told apart from it)" if equal else ""
    few = [label for label, item in classes(best).items() if not enough(item)]
    most = [worst_class(model) for model in (best, base)]
    text = f"; of the classes with patients enough most {most[0]}, without a defence {most[1]}" if all(most) else ""
    text += f"; {', '.join(few)} of too few patients to tell" if few else ""
    return (
        f"{where} {treatment(best)} helps most{doubt}: of right predictions the strongest attack overturns "
        f"{rate(flip(best))}, without a defence {rate(flip(base))}{text}; {lowers}; it reaches "
        f"{utility(best['utility'])}, without a defence {number(base['utility']['value'])}."
    )


def defended(models: list[Model]) -> list[tuple[Model, Model]]:
    """Return each defended model of a dataset with the first baseline of its network, where both may be judged."""
    pairs = []
    for model in (model for model in models if treatment(model).startswith("robust-")):
        network = model["about"]["model"]
        bases = [base for base in models if base["about"]["model"] == network and is_baseline(base)]
        if bases and all(skilled(each) and not leaking(each) and flip(each) for each in (model, bases[0])):
            pairs.append((model, bases[0]))
    return pairs


def is_baseline(model: Model) -> bool:
    return treatment(model).startswith("baseline-")


def flip(model: Model) -> dict | None:
    return model.get("evasion_flip_rate")


def holds(model: Model, base: Model) -> bool:
    """Tell a defence whose masking checks passed and which is as useful as the baseline's interval allows."""
    masked = model.get("masking_checks_failed", {"value": 0})["value"]
    measured = enough(model.get("utility")) and enough(base.get("utility"))
    return not masked and measured and model["utility"]["value"] >= base["utility"]["lower"]


def classes(model: Model) -> dict[str, dict]:
    prefix = "evasion_flip_rate_class_"
    return {key.removeprefix(prefix): figure for key, figure in model.items() if key.startswith(prefix)}


def worst_class(model: Model) -> str:
    sure = {label: figure for label, figure in classes(model).items() if enough(figure)}
    label = max(sure, key=lambda each: sure[each]["value"], default="")
    return f"of {label} {rate(sure[label])}" if sure else ""


def rate(figure: dict) -> str:
    bounds = f"{ends(figure)}, " if ends(figure) else ""
    n = f"n = {whole(figure['n'])} of {count(figure['people'], 'patient')}"
    return f"{percent(figure['value'])} ({attack_name(figure['attack'])}, {bounds}{n})"


def utility(figure: dict) -> str:
    bounds = "" if math.isnan(figure["lower"]) else f" ({number(figure['lower'])} to {number(figure['upper'])})"
    return f"{measure_name(figure['measure'])} {number(figure['value'])}{bounds}"


def ends(figure: dict) -> str:
    if math.isnan(figure["lower"]) or math.isnan(figure["upper"]):
        return ""
    return f"{number(100 * figure['lower'], 1)} to {number(100 * figure['upper'], 1)}\u00a0%"


def number(value: float, places: int = 3) -> str:
    return f"{value:.{places}f}".replace("-", "−")


def percent(value: float) -> str:
    return number(100 * value, 1) + "\u00a0%"


def whole(value: int) -> str:
    return f"{value:,}".replace(",", "\u202f")


def count(many: int, noun: str) -> str:
    return f"{whole(many)} {noun}{'' if many == 1 else 's'}"
