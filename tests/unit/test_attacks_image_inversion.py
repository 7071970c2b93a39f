"""Images from gradients: the derivatives are right, and one image comes back."""

import numpy as np
import pytest
import torch

from medpriv.attacks.federated_server.encoding import TOLERANCE
from medpriv.attacks.federated_server.image_inversion import (
    PublicImages,
    search_images,
    total_variation,
    with_contrast,
)
from medpriv.attacks.federated_server.inversion import ObservedGradients, distance_to, gradients_of, soft_labels
from medpriv.bank import engine
from medpriv.measures.image_quality import EQUAL_DB, STABLE, psnr, ssim
from medpriv.models.catalogue import build_network
from medpriv.models.differentiable import outputs

SIDE, MODELS = 12, 3


def network_of(model="cnn2d", shape=(1, SIDE, SIDE), classes=2, **more):
    recipe = {"patch": 2, "channels": [8, 12], "pooled": False} | more
    network = build_network(model, shape, classes, recipe)
    drawn = [network.initial(np.random.default_rng(seed)) for seed in range(MODELS)]
    return network, {name: np.stack([one[name] for one in drawn]) for name in drawn[0]}


def pictures(count, seed=0):
    """Return smooth images with a bright spot each, standardised, float32 [count, 1, 12, 12]."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[:SIDE, :SIDE]
    places = rng.uniform(2, SIDE - 3, (count, 2, 1, 1))
    spots = np.exp(-((down - places[:, 0]) ** 2 + (across - places[:, 1]) ** 2) / 6)
    x = (spots - spots.mean()) / spots.std()
    return x[:, None].astype(np.float32)


def public(count=60):
    levels = np.full((1, 1, 1), 100, np.float32), np.full((1, 1, 1), 30, np.float32)
    return PublicImages(pictures(count, seed=9), *levels)


def observe(network, held, x, y):
    tensors = {name: torch.from_numpy(value) for name, value in held.items()}
    made = gradients_of(network, tensors, torch.from_numpy(x), soft_labels(y, 2))
    return ObservedGradients(network, held, {name: value.numpy() for name, value in made.items()}, x.shape[1])


@pytest.mark.parametrize(
    ("model", "shape", "more"),
    [
        ("cnn2d", (2, 13, 12), {"channels": [4, 8, 6]}),
        ("cnn2d", (1, 12, 12), {"pooled": True}),
        ("cnn_gn", (2, 40), {}),
        ("mlp", (7,), {"hidden": [8, 4]}),
    ],
)
def test_outputs_by_autograd_are_those_of_the_engine(model, shape, more):
    network, held = network_of(model, shape, **more)
    x = np.random.default_rng(0).standard_normal((MODELS, 5, *shape)).astype(np.float32)
    made = outputs(network, {name: torch.from_numpy(value) for name, value in held.items()}, torch.from_numpy(x))
    np.testing.assert_allclose(made.numpy(), engine.logits(network, held, x)[..., 1:], atol=2e-6)


def test_no_second_derivative_where_records_mix():
    network, held = network_of("cnn", (2, 40))
    with pytest.raises(TypeError, match="no second derivative"):
        outputs(network, {name: torch.from_numpy(value) for name, value in held.items()}, torch.zeros(MODELS, 2, 2, 40))


@pytest.mark.parametrize("classes", [2, 3])
def test_gradients_of_a_convolutional_network_equal_torchs_own(classes):
    network, held = network_of(classes=classes)
    x, y = pictures(4), np.arange(4) % classes
    module, given = network.reference(held, 1), torch.from_numpy(y)
    logits = module(torch.from_numpy(x))
    if classes == 2:
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], given.float())
    else:
        loss = torch.nn.functional.cross_entropy(logits, given)
    expected = iter([value.numpy() for value in torch.autograd.grad(loss, list(module.parameters()))])
    one = {name: torch.from_numpy(value[1:2]) for name, value in held.items()}
    found = gradients_of(network, one, torch.from_numpy(x)[None], soft_labels(y[None], classes))
    for place, layer in enumerate(network.layers):
        for name, value in layer.from_reference(expected, first=not place).items():
            np.testing.assert_allclose(found[name][0].numpy(), value, rtol=1e-3, atol=1e-5)


def test_the_true_image_is_at_distance_0_and_so_is_the_same_with_another_contrast():
    network, held = network_of()
    x, y = pictures(MODELS)[:, None], np.array([[0], [1], [1]])
    observed, labels = observe(network, held, x, y), soft_labels(y, 2)
    for by_angle in (True, False):
        distance = distance_to(observed, by_angle=by_angle)
        assert distance(torch.from_numpy(x), labels).abs().max() < 1e-5
        assert distance(torch.from_numpy(1.5 * x), labels).abs().max() < 2e-2
        assert distance(torch.from_numpy(np.roll(x, 1, axis=0)), labels).min() > 0.05


def test_total_variation_is_the_mean_step_across_and_down():
    ramp = torch.arange(4.0).repeat(4, 1)  # steps of 1 across, none down
    assert total_variation(torch.stack([ramp, ramp.T, 0 * ramp])[:, None, None]).tolist() == [1, 1, 0]
    assert total_variation((ramp + 2 * ramp.T)[None, None, None]).tolist() == [3]


def test_one_image_comes_back_from_its_gradients_and_several_less():
    network, held = network_of()
    known, shares = public(), {}
    for batch in (1, 4):
        x = pictures(MODELS * batch, seed=1).reshape(MODELS, batch, 1, SIDE, SIDE)
        y = np.tile(np.arange(batch) % 2, (MODELS, 1))
        about = (observe(network, held, x, y), known, y, 2, np.random.default_rng(0), 120)
        found = search_images("cosine", *about)
        shares[batch] = known.matches(found, x).mean()
        if batch == 1:
            mean = np.broadcast_to(known.typical, x.shape)
            assert np.square(found - x).mean() < 0.2 * np.square(mean - x).mean()
    assert shares[1] > 0.7 and shares[1] > shares[4]


def test_an_image_is_identified_where_none_of_the_public_is_nearer():
    known, x = public(), pictures(2, seed=1)[None]
    assert known.identified(x + 0.01, x).all()
    assert not known.identified(np.broadcast_to(known.x[5], x.shape), x).any()


@pytest.mark.parametrize("method", ["dlg", "idlg"])
def test_the_older_searches_match_the_gradient_without_being_told_the_label(method):
    network, held = network_of()
    x, known = pictures(MODELS, seed=1)[:, None], public()
    labels = np.array([[0], [1], [0]])
    observed = observe(network, held, x, labels)
    found = search_images(method, observed, known, 1 - labels, 2, np.random.default_rng(0), 100)
    distance, begun = distance_to(observed, by_angle=False), np.broadcast_to(known.typical, x.shape).copy()
    after, before = (distance(torch.from_numpy(images), soft_labels(labels, 2)) for images in (found, begun))
    assert (after < 0.5 * before).all()


def test_an_image_found_has_the_contrast_of_public_ones_and_keeps_between_black_and_white():
    known = public()
    x = 0.1 * pictures(3)[None]
    made = with_contrast(x, known)
    np.testing.assert_allclose(np.sqrt(np.square(made).mean((2, 3, 4))), known.contrast, rtol=0.05)
    assert made.min() >= -100 / 30 - 1e-5 and made.max() <= 155 / 30 + 1e-5
    assert known.matches(x + TOLERANCE - 1e-3, x).all() and not known.matches(x + TOLERANCE + 1e-3, x).any()


def test_quality_has_its_known_values():
    grey = np.full((1, 16, 16), 100, np.uint8)
    image = np.random.default_rng(0).integers(0, 200, (1, 16, 16)).astype(np.uint8)
    assert psnr(image, image) == EQUAL_DB and ssim(image, image) == pytest.approx(1)
    assert psnr(image + 10, image) == pytest.approx(20 * np.log10(25.5))
    flat = (2 * 100 * 150 + STABLE[0]) / (100**2 + 150**2 + STABLE[0])  # no structure: luminance alone
    assert ssim(grey + 50, grey) == pytest.approx(flat)
    assert ssim(np.stack([image, 199 - image]), image[None]).tolist() == pytest.approx([1, -0.9], abs=0.2)
