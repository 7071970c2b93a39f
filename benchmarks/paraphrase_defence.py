"""Does paraphrase-aware training protect those whose record is known, at the cost of those of whom a paraphrase is?

One base model, which has read texts of other patients in all wordings, as a model that knows clinical language has
(with `--base plain`, in the original wordings alone: a paraphrase then surprises every model, whoever it is about). K
replicates, each fine-tuned on the texts of a random half of the training patients in several ways that share members,
order of texts and number of updates: plainly, and reading each answer in other words each epoch, at several strengths,
by all rules or by the first half of them. Three attackers, each with the reference attack (mean of log p minus the base
model's over answer tokens, of a patient the mean over their records): one knows the exact record, one only paraphrases
by the first half of the rules, one only by the second half. For the defence that was trained by the first half, the
second half are rules that it never saw.

Of each arm and attacker: the AUC by patient and by record, mean over replicates, and the difference from plain
training, paired by patient and replicate. Intervals draw patients and replicates with replacement.

    python benchmarks/paraphrase_defence.py train SOURCE [--folder FOLDER] [--base plain] [--replicates 0 1 2 ...]
    python benchmarks/paraphrase_defence.py show SOURCE

SOURCE is `simulated`, `demo` (MIMIC-III's open demo; `--folder` has its tables) or `medquad` (`--folder` has a copy; a
pair of question and answer counts as a patient of its own). `train` writes one file a model to `--out` and goes on
where it stopped, so several can run side by side; 0.35 M parameters, some 20 CPU seconds a model.
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.config.ehrqa import PreprocessEhrqa
from medpriv.config.language import LanguageSettings, TuningRecipe
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.language import passes
from medpriv.language.banks import transformer_of
from medpriv.language.corpus import base_texts, read_medquad, shortened
from medpriv.language.paraphrase.engine import paraphrases, reworded
from medpriv.language.paraphrase.sites import FIRST, SECOND
from medpriv.language.texts import LabelledTexts
from medpriv.language.tokenizer import Tokenizer, encode_record
from medpriv.measures.bootstrap import PatientBootstrap, difference_interval
from medpriv.measures.roc import bootstrap_auc
from medpriv.records.cohort import Cohort
from medpriv.records.texts import Texts
from medpriv.seeds import generator
from medpriv.sources import ehrqa
from medpriv.sources.acquire import acquire_raw
from medpriv.treatments.language import finetune, pretrain

SEED, REPLICATES, EPOCHS, BLOCK = 15, 8, 10, 128
PATIENTS = 320  # simulated: 250 to draw members from, 60 and some held out
KNOWN = 3  # paraphrases that an attacker has of each record
PAIRS, BASE_PAIRS, VOCABULARY = 1500, 2000, 1024  # of MedQuAD
DRAWS = 2000
ARMS = {
    "plain": None,
    "strength 1": {"strength": 1.0, "half": "both"},
    "first half, strength 1": {"strength": 1.0, "half": "first"},
    "strength 0.5": {"strength": 0.5, "half": "both"},
    "first half, strength 0.5": {"strength": 0.5, "half": "first"},
    "strength 0.25": {"strength": 0.25, "half": "both"},
}
ATTACKERS = ("exact", FIRST, SECOND)


def main() -> None:
    """Read the arguments and train, or show the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "show"))
    parser.add_argument("source", choices=("simulated", "demo", "medquad"))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--base", choices=("varied", "plain"), default="varied")
    parser.add_argument("--out", type=Path, default=Path("runs/paraphrase_defence"))
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--replicates", nargs="+", type=int, default=list(range(REPLICATES)))
    asked = parser.parse_args()
    out = asked.out / f"{asked.source}-{asked.base}"
    if asked.what == "show":
        show(out)
        return
    out.mkdir(parents=True, exist_ok=True)
    dataset, texts = read(asked.source, asked.folder)
    if asked.base == "varied":
        texts += list(_other_words(texts))
    train_all(dataset, texts, asked.arms, asked.replicates, out)


def read(source: str, folder: Path | None) -> tuple[Dataset, list[tuple[str, str]]]:
    """Return the dataset and the texts of the base model."""
    if source == "medquad":
        return _read_medquad(folder)
    settings = PreprocessEhrqa().model_dump()
    raw = {"source": "local", "path": str(folder)} if folder else {"source": "simulated"}
    with tempfile.TemporaryDirectory() as scratch:
        to = Path(scratch)
        acquire_raw("ehrqa", source, raw | {"simulated": {"patients": PATIENTS}}, SEED, to / "raw", to / "work")
        return ehrqa.parse(source, to / "raw", settings, SEED), base_texts(settings, SEED)


def _other_words(texts: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield each text in words of either half."""
    for half in (FIRST, SECOND):
        rng = generator(SEED, "base", half)
        yield from ((prompt, reworded(answer, rng, half)) for prompt, answer in texts)


def _read_medquad(folder: Path) -> tuple[Dataset, list[tuple[str, str]]]:
    """Return pairs of MedQuAD, each its own patient, and other pairs for the base; all cut to whole sentences."""
    pairs = list(dict.fromkeys(read_medquad(folder)))
    order = generator(SEED, "medquad", "pairs").permutation(len(pairs))
    base = [pairs[index] for index in order[:BASE_PAIRS]]
    tokenizer = Tokenizer.train((text for pair in base for text in pair), VOCABULARY)
    short = [shortened(tokenizer, *pairs[index], BLOCK - 48) for index in order]  # room for longer words
    base, own = ([pair for pair in some if pair] for some in (short[:BASE_PAIRS], short[BASE_PAIRS:]))
    own = own[:PAIRS]
    patients = np.arange(len(own), dtype=np.int32)
    split = np.where(patients % 5 == 0, TEST, TRAIN).astype(np.uint8)
    names = tuple(f"pair {index}" for index in patients)
    cohort = Cohort(patients, np.zeros_like(patients), split, names, ("MedQuAD",), "CC BY 4.0", "local", "0" * 64)
    return Dataset("medquad", cohort, Texts.encode(tokenizer, own, [0] * len(own), ("any",))), base


def train_all(
    dataset: Dataset, texts: list[tuple[str, str]], arms: list[str], replicates: list[int], out: Path
) -> None:
    """Write what each attacker sees of each model: one file an arm and replicate."""
    settings = LanguageSettings().model_dump()
    model = settings["model"] | {"block_size": BLOCK}
    spec = TrainingSpec("lm-base", "lm-base", {}, "transformer", model, settings["base"])
    base = pretrain(dataset, spec, texts, Draw([0], 1, SEED))
    known = {attacker: _known(dataset, attacker) for attacker in ATTACKERS}
    reference = {attacker: _means(transformer_of(base, 0), *known[attacker]) for attacker in ATTACKERS}
    about = {"patient": dataset.patient, "split": dataset.split}
    np.savez(out / "about.npz", **about, **{f"reference/{name}": value for name, value in reference.items()})
    for replicate in replicates:
        for arm in arms:
            file = out / f"{arm}-{replicate}.npz"
            if file.exists():
                continue
            recipe = TuningRecipe().model_dump() | {"paraphrase": ARMS[arm]}
            spec = TrainingSpec(f"lm-{arm}", "lm", {}, "transformer", model, recipe)
            bank = finetune(dataset, base, {EPOCHS: spec}, Draw([replicate], REPLICATES, SEED), reworded)[EPOCHS]
            tuned = transformer_of(bank, 0, base)
            seen = {attacker: _means(tuned, *known[attacker]) for attacker in ATTACKERS}
            np.savez(file, members=bank.members[0], **seen)
            print(
                arm, replicate, {name: round(float(np.nanmean(value)), 4) for name, value in seen.items()}, flush=True
            )


def _known(dataset: Dataset, attacker: str) -> tuple[LabelledTexts, np.ndarray]:
    """Return the texts that an attacker has, and of which record each of them is."""
    records, found, record = dataset.records, [], []
    rng = generator(SEED, dataset.name, "attacker", attacker)
    for index in range(len(records)):
        prompt, answer = records.words(index)
        for wording in [answer] if attacker == "exact" else paraphrases(answer, KNOWN, rng, attacker):
            ids, marks = encode_record(records.tokenizer, prompt, wording)
            if len(ids) <= BLOCK:
                found.append((ids, marks))
                record.append(index)
    return LabelledTexts.of(found, np.zeros(len(found), int)), np.array(record)


def _means(model, texts: LabelledTexts, record: np.ndarray) -> np.ndarray:
    """Return of each record the mean over its texts of the mean log p of answer tokens; NaN where it has no text."""
    said = passes.score(model.eval(), texts.tokens, texts.offsets, texts.answer)
    of_text = np.add.reduceat(said.log_probability.astype(float), said.offsets[:-1]) / np.diff(said.offsets)
    count = np.bincount(record)
    total = np.bincount(record, of_text)
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)


def show(out: Path) -> None:
    """Print the table of a source, from whatever has been trained."""
    about = np.load(out / "about.npz")
    names = [arm for arm in ARMS if list(out.glob(f"{arm}-*.npz"))]
    done = {arm: {int(file.stem.rpartition("-")[2]) for file in out.glob(f"{arm}-*.npz")} for arm in names}
    kept = sorted(set.intersection(*done.values()))
    patients = len(about["split"])
    train = np.flatnonzero(about["split"] == TRAIN)
    print(f"{len(kept)} replicates, {len(train)} patients of whom half are members in each, arms {', '.join(names)}")
    boot = PatientBootstrap.draw(generator(SEED, "bootstrap"), patients, DRAWS, len(kept))
    for level in ("patient", "record"):
        drawn = {name: _drawn(out, about, name, kept, boot, level) for name in names}
        _print(level, drawn, len(train))
    _print_use(out, about, names, kept)


def _drawn(
    out: Path, about: Mapping, arm: str, replicates: list[int], boot: PatientBootstrap, level: str
) -> dict[str, np.ndarray]:
    """Return draws of the AUC, [1 + B, K] an attacker."""
    found: dict[str, list[np.ndarray]] = {attacker: [] for attacker in ATTACKERS}
    for replicate in replicates:
        model = np.load(out / f"{arm}-{replicate}.npz")
        for attacker in ATTACKERS:
            scores = model[attacker] - about[f"reference/{attacker}"]
            valued = ~np.isnan(scores) & (about["split"][about["patient"]] == TRAIN)
            scores, owner = scores[valued], about["patient"][valued]
            if level == "patient":
                owner, place = np.unique(owner, return_inverse=True)
                scores = np.bincount(place, scores) / np.bincount(place)
            found[attacker].append(bootstrap_auc(scores, model["members"][owner], owner, boot.patients))
    return {attacker: np.stack(values, axis=1) for attacker, values in found.items()}


def _print(level: str, drawn: Mapping[str, Mapping[str, np.ndarray]], patients: int) -> None:
    print(f"\nAUC by {level}, mean over replicates | difference from plain, paired")
    for arm, attackers in drawn.items():
        for attacker, values in attackers.items():
            line = f"{arm:26s} {attacker:7s} {_interval(values, patients)}"
            if arm != "plain" and "plain" in drawn:
                change = values - drawn["plain"][attacker]
                more = int((change[0] > 0).sum())
                line += f" | {_interval(change, patients)}, higher in {more} of {change.shape[1]}"
            print(line)


def _interval(values: np.ndarray, patients: int) -> str:
    """Write mean and interval of draws [1 + B, K] over replicates; those too are drawn with replacement."""
    rng = generator(SEED, "replicates")
    weights = rng.multinomial(values.shape[1], np.full(values.shape[1], 1 / values.shape[1]), size=len(values) - 1)
    mean = np.concatenate([values[:1].mean(axis=1), (values[1:] * weights).sum(axis=1) / values.shape[1]])
    value, lower, upper = difference_interval(mean, patients)
    return f"{value:+.3f} ({lower:+.3f} to {upper:+.3f})"


def _print_use(out: Path, about: Mapping, names: list[str], replicates: list[int]) -> None:
    """Print the loss of an answer token on held-out patients, in the original words and in others."""
    held = about["split"][about["patient"]] == TEST
    print("\nloss on held-out patients")
    for arm in names:
        each = _losses(out, arm, replicates, held)
        print(f"{arm:26s} " + ", ".join(f"{name} {value:.4f}" for name, value in each))


def _losses(out: Path, arm: str, replicates: list[int], held: np.ndarray) -> Iterator[tuple[str, float]]:
    models = [np.load(out / f"{arm}-{replicate}.npz") for replicate in replicates]
    for attacker in ATTACKERS:
        yield attacker, -float(np.mean([np.nanmean(model[attacker][held]) for model in models]))


if __name__ == "__main__":
    main()
