"""Made-up images go through whatever is meant for them, and are refused by the rest with the reason."""

from functools import cache

import numpy as np
import pytest
import torch
from made_up_banks import federated_settings, training_spec
from made_up_datasets import put_together, with_changes
from pydantic import ValidationError

from medpriv.attacks import evasion, randomized_smoothing
from medpriv.attacks.attacked_records import AttackedRecords, SignSteps
from medpriv.attacks.attribute import audit as attribute
from medpriv.attacks.blackbox import square
from medpriv.attacks.epsilon import audit as epsilon
from medpriv.attacks.federated_server.audit import audit as server
from medpriv.attacks.gradient import pgd
from medpriv.attacks.linkage.audit import audit as linkage
from medpriv.attacks.membership import audit as membership
from medpriv.attacks.split_server.audit import audit as cut
from medpriv.attacks.target_models import target_models_of
from medpriv.attacks.unlearning.audit import audit as forgetting
from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.config.attacks import AttackSettings
from medpriv.config.dataset import ImageSettings
from medpriv.config.evasion import ImageEvasionSettings
from medpriv.config.federated import FederatedSettings
from medpriv.config.models import Cnn2dRecipe
from medpriv.config.robust import ImageRobustSettings
from medpriv.config.split import SplitSettings
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.pictures import png_image
from medpriv.report.comparison import reference_budget
from medpriv.report.results import Measures, Result
from medpriv.seeds import generator
from medpriv.treatments import baseline, federated, private, robust, split
from medpriv.unlearning.catalogue import unlearn

PATIENTS, K = 48, 4
RECIPE = Cnn2dRecipe(epochs=10, batch_size=16, learning_rate=0.01, patch=2, channels=[4, 8]).model_dump()
ATTACKS = AttackSettings().model_dump()
EVASION = ImageEvasionSettings(
    epsilons=[2, 40], reference_epsilon=40, records_per_class=6, iterated_records_per_class=6, replicates=2,
    steps=5, queries=20, bootstraps=20,
).model_dump()  # fmt: skip
FEDERATED = FederatedSettings(
    strategies={"avg": {}},
    rounds=4,
    local={"batch_size": 8, "learning_rate": 0.1},
    partition={"least_patients": 2},
).model_dump()
PRIVATE = {"delta": 1e-3, "engine": "medpriv", "steps": 8, "rate": 0.4, "clip": 1.0, "learning_rate": 0.2}
PRIVATE |= {"momentum": 0.0, "records_a_patient": 2}


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


@cache
def images() -> Dataset:
    """Return two images of 12 x 12 pixels a patient; the brighter half tells the class."""
    rng = generator(0, "images")
    patient = np.repeat(np.arange(PATIENTS, dtype=np.int32), 2)
    y = patient % 2
    x = rng.normal(110, 25, (len(y), 1, 12, 12))
    for image, label in zip(x, y, strict=True):
        image[0, :, 6 * label : 6 * label + 6] += 40
    x = np.clip(np.rint(x), 0, 255).astype(np.uint8)
    split = np.where(np.arange(PATIENTS) // 2 % 3 == 2, TEST, TRAIN).astype(np.uint8)
    learnt = x[(split == TRAIN)[patient]].astype(np.float64)
    return put_together(
        x,
        ("grey",),
        y=y.astype(np.int64),
        patient=patient,
        site=(patient >= PATIENTS // 2).astype(np.int32),
        split=split,
        centre=learnt.mean((0, 2, 3))[:, None, None],
        scale=learnt.std((0, 2, 3))[:, None, None],
        patients=tuple(f"p{index}" for index in range(PATIENTS)),
        sites=("north", "south"),
        classes=("left", "right"),
        licence="none",
        source="simulated",
        digest="0" * 64,
    )


@cache
def bank() -> Bank:
    return baseline.train(images(), training_spec("baseline-cnn2d", "cnn2d", RECIPE), Draw(range(K), K, 1))


def accuracy(one: Bank) -> float:
    test = images().rows(TEST)
    return float((one.logits.argmax(-1) == images().y)[:, test].mean())


def found(measures, attack: str, measure: str, group: str = ""):
    [one] = [row for row in measures if (row.attack, row.measure, row.group) == (attack, measure, group)]
    return one


def test_attacked_images_stay_within_budget_and_grey_levels():
    dataset, [models] = images(), target_models_of(images(), bank(), 2)
    rows = np.flatnonzero(dataset.rows(TEST))[:8]
    records = AttackedRecords.of(dataset, rows)
    x = records.x
    assert x.dtype == np.float32
    for attacked in (
        pgd(models, records, SignSteps(60.0, 15.0, 8), restarts=1, rng=generator(1)),
        square(models, records, 60.0, 30, generator(2)),
    ):
        assert attacked.shape == (2, *x.shape)
        assert attacked.min() >= 0 and attacked.max() <= 255
        assert np.abs(attacked - x).max() <= 60 + 1e-3
        assert (attacked == 0).any() or (attacked == 255).any()  # some pixel would have left them


def test_a_square_is_one_window_of_both_sides():
    dataset, [models] = images(), target_models_of(images(), bank(), 1)
    records = AttackedRecords.of(dataset, np.arange(40))
    first, second = (square(models, records, 1.0, count, generator(2)) for count in (1, 2))
    moved = (first != second)[0, :, 0]
    assert moved.any()
    for image in moved[moved.any(axis=(1, 2))]:
        rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        assert np.ptp(rows) < 11 and np.ptp(columns) < 11  # a square of 8 pixels a side or so


def test_the_baseline_learns_and_gives_in_to_evasion_and_membership_attacks():
    assert accuracy(bank()) > 0.8
    result = evasion.audit(images(), bank(), EVASION, seed=1)
    for row in result.tables["examples"].rows:
        clean, attacked = (png_image(row[name]).astype(int) for name in ("clean", "attacked"))
        assert 0 < np.abs(attacked - clean).max() <= row["budget"] and row["attacked_as"] != row["class"]
    weak, strong = (found(result.measures, "evasion-pgd", "flip_rate", f"budget={size}").value for size in (2, 40))
    assert strong > 0.6 > 0.4 > weak
    assert found(result.measures, "evasion-pgd", "flip_rate_requantised", "budget=40").value > 0.6
    assert found(result.measures, "evasion-pgd", "masking").value in (0, 1)
    read = Result("i", "baseline-cnn2d", "cnn2d", 2, {}, {}, Measures(), Measures(result.measures), {})
    assert reference_budget(read) == "40"  # not the lower middle of the grid
    assert {row.attack.partition("-")[2].partition("-")[0] for row in result.measures} == {"fgsm", "pgd", "square"}
    listed = membership.audit(images(), bank(), {"false_positive_rates": [0.1], "bootstraps": 20}, seed=1).measures
    assert np.isfinite(found(listed, "membership-bavaria", "auc", "level=patient").value)


@pytest.mark.parametrize("defence", ["pgd", "jacobian", "nsr", "noise"])
def test_defences_train_in_grey_levels(defence):
    settings = ImageRobustSettings(defences={defence: {}}).model_dump()["defences"][defence]
    defended = robust.train(
        images(), training_spec(f"robust-{defence}", "cnn2d", RECIPE, settings), Draw(range(2), K, 1)
    )
    assert accuracy(defended) > 0.7
    if defence == "noise":
        few = ATTACKS["smoothing"] | {"guesses": 10, "draws": 100, "records_per_class": 4, "bootstraps": 20}
        measures = randomized_smoothing.audit(images(), defended, few | {"epsilons": [1.0]}, seed=1).measures
        assert 0 < found(measures, "smoothing", "certified_radius").value < 16 * 3


def test_private_banks_have_their_guarantee_and_are_audited():
    made = private.train(images(), training_spec("dp-sgd-cnn2d-eps8", "cnn2d", RECIPE, PRIVATE), Draw(range(K), K, 1))
    privacy = made.about.metadata["privacy"]
    assert privacy["epsilon"] <= 8
    assert privacy["caveats"][0].startswith("grey levels are standardised") and "imputed" not in str(privacy)
    measures = epsilon(images(), made, ATTACKS["epsilon"] | {"replicates": 2, "canaries": 4}, seed=1).measures
    assert np.isfinite([row.value for row in measures if row.measure == "epsilon"]).all()


def test_a_server_of_a_federation_sees_who_took_part():
    made = federated.train(
        images(),
        training_spec("fed-avg", "cnn2d", RECIPE, federated_settings(FEDERATED, "avg")),
        Draw(range(K), K, 1),
    )
    few = {"bootstraps": 20, "replicates": 2, "targets": 2, "image_batches": [1], "image_steps": 4}
    seen = server(images(), made, ATTACKS["federated_server"] | few, seed=1)
    single = "model=start,batch=1,steps=1,defence=none"
    for name in ("psnr", "ssim", "identified", "match", "gain"):
        assert np.isfinite(found(seen.measures, "inversion-cosine", name, single).value)
    shown = [row for row in seen.tables["examples"].rows if row["attack"] == "inversion-cosine"]
    assert any(np.array_equal(png_image(shown[0]["true"]), image) for image in images().x[images().rows(TRAIN)])
    closed = with_changes(images(), credentialed=True)
    assert not server(closed, made, ATTACKS["federated_server"] | few, seed=1).tables["examples"].rows
    assert np.isfinite(found(seen.measures, "membership-updates", "auc", "level=patient").value)


def test_a_server_of_split_learning_gives_images_back():
    variants = SplitSettings(variants={"vanilla": {}}).model_dump()["variants"]["vanilla"] | {"least_patients": 2}
    made = split.train(images(), training_spec("split-vanilla-cut1", "cnn2d", RECIPE, variants), Draw(range(2), K, 1))
    few = ATTACKS["split_server"] | {
        "replicates": 2,
        "image_records": 8,
        "bootstraps": 20,
        "inversion_steps": 200,
        "decoder_steps": 50,
    }
    few |= {
        "decoder_steps": 50,
        "image_fsha_updates": 5,
        "fsha_pilot_steps": 5,
        "image_unsplit_rounds": 2,
        "unsplit_steps": 3,
    }
    seen = cut(images(), made, few, seed=1)
    measures = seen.measures
    known = images().x[images().rows(TRAIN)]
    assert all((png_image(row["true"]) == known).all((1, 2, 3)).any() for row in seen.tables["examples"].rows)
    assert found(measures, "cut-inversion", "explained").value > 0.15
    assert found(measures, "cut-decoder", "explained").value > 0.2
    assert any(row.group == "feature=grey" for row in measures)


def test_a_patients_images_are_forgotten_and_the_answer_is_probed():
    settings = ATTACKS["unlearning"] | {"attacked_records": 2, "bootstraps": 20, "relearn_records": 2}
    retrain, _ = unlearn(images(), bank(), "retrain", {}, seed=1, patients=4)
    fake, _ = unlearn(images(), bank(), "fake", {}, seed=1, patients=4)
    measures = forgetting(images(), bank(), None, retrain, [fake], settings, seed=1).measures
    flips = [row for row in measures if row.attack == "unlearning-robustness"]
    assert flips and all(",budget=4," in row.group for row in flips)


def test_what_is_not_for_images_says_so():
    with pytest.raises(InputError, match="the defence sap: for signals, and these are images"):
        robust.train(
            images(), training_spec("robust-sap", "cnn2d", RECIPE, {"epsilon": 4.0, "steps": 2}), Draw(range(2), K, 1)
        )
    with pytest.raises(InputError, match="attribute inference: for tables"):
        attribute(images(), bank(), ATTACKS["attribute"], seed=1)
    with pytest.raises(InputError, match="linkage: for tables"):
        linkage(images(), ATTACKS["linkage"], seed=1)


class Pictures(ImageSettings):
    """A format of images."""


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"baselines": {"cnn": {}}}, "baselines.cnn is for signals, and these are images: use cnn2d"),
        ({"robust": {"defences": {"sap": {}}}}, "robust.defences.sap trains against changes that are smooth in time"),
        ({"robust": {"defences": {"decorrelated": {}}}}, "decorrelated ensembles are of cnn or cnn_gn, not cnn2d"),
        ({"personalization": {}}, "Extra inputs are not permitted"),
        ({"evasion": {"smooth_steps": 3}}, "Extra inputs are not permitted"),
    ],
)
def test_a_config_that_asks_images_for_it_is_refused(section, message):
    with pytest.raises(ValidationError, match=message):
        Pictures.model_validate({"baselines": {"cnn2d": {}}} | section)
    assert (
        Pictures.model_validate({"baselines": {"cnn2d": {}}, "robust": {"defences": {"pgd": {}}}}).modality == "image"
    )
