"""The 2-D CNN: its stacked form against torch's own modules, arranged images, plain and private training."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from medpriv.bank import engine
from medpriv.bank.stack import arranged
from medpriv.errors import InputError
from medpriv.models.cnn2d import build
from medpriv.privacy.training import PrivateSchedule, train_private
from medpriv.seeds import generator

RECIPE = {"patch": 2, "channels": [8, 12, 8]}
SHAPE = (2, 13, 17)  # neither side is a multiple of the patch, and windows hang over edges


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def draw_parameters(network, replicates: int) -> dict[str, np.ndarray]:
    """Return first parameters, normalisations away from the identity."""
    drawn = [network.initial(generator(0, k)) for k in range(replicates)]
    held = {name: np.stack([one[name] for one in drawn]) for name in drawn[0]}
    rng = generator(0, "normalisation")
    return {
        name: value + rng.normal(0, 0.2, value.shape).astype(np.float32) if value.ndim == 2 else value
        for name, value in held.items()
    }


@pytest.mark.parametrize("pooled", [False, True])
def test_logits_and_input_gradients_are_torchs(pooled):
    network = build(SHAPE, 3, RECIPE | {"pooled": pooled})
    parameters = draw_parameters(network, 2)
    x = generator(1).normal(size=(5, *SHAPE)).astype(np.float32)
    y = np.array([0, 1, 2, 1, 0])
    values, gradients = engine.input_gradients(network, parameters, x, y)
    for k in range(2):
        module, given = network.reference(parameters, k), torch.from_numpy(x).requires_grad_()
        outputs = module(given)
        np.testing.assert_allclose(values[k], outputs.detach(), atol=1e-5)
        torch.nn.functional.cross_entropy(outputs, torch.from_numpy(y), reduction="sum").backward()
        np.testing.assert_allclose(gradients[k], given.grad, atol=1e-5)


def test_patches_stand_row_by_row_and_restore_to_their_pixels():
    network = build((1, 4, 6), 2, {"patch": 2, "channels": [4]})
    image = torch.arange(24.0).view(1, 1, 4, 6)
    found = arranged(network, image.numpy())
    assert found[0].int().tolist()[:4] == [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11], [12, 13, 18, 19]]
    torch.testing.assert_close(network.restore(found), image)


def test_operations_are_counted():
    network = build((1, 8, 8), 2, {"patch": 2, "channels": [4, 8]})
    stem, further, dense = 16 * 4 * 4, 4 * 9 * 4 * 8, 4 * 8 * 2
    assert network.flops() == 2 * (2 * stem + 3 * further + 3 * dense)


def make_images(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images with a bright half that tells the class, and noise."""
    rng = generator(2)
    y = rng.integers(2, size=count)
    x = rng.normal(size=(count, 1, 12, 12)).astype(np.float32)
    for image, label in zip(x, y, strict=True):
        image[0, :, 6 * label : 6 * label + 6] += 0.5
    return x, y


def test_plain_and_private_training_learn_and_shards_are_equal():
    network = build((1, 12, 12), 1, {"patch": 3, "channels": [8, 8]})
    x, y = make_images(300)
    members = np.arange(300) < 200
    members = np.stack([members] * 3)

    def drawn(purpose: str, replicates) -> list[np.random.Generator]:
        return [generator(4, k, purpose) for k in replicates]

    plain = engine.train(
        network, x, y, members, engine.Schedule(60, 32, 0.01, 0.0, 0.0), drawn("i", range(3)), drawn("o", range(3))
    )
    schedule = PrivateSchedule(60, 0.2, 40.0, 1.0, 1.0, 0.02, "adam")
    private = {}
    for some in ((0, 1, 2), (2,)):
        private[some] = train_private(
            network,
            x,
            y,
            np.arange(300),
            members[list(some)],
            replace(schedule, deviation=1.5),
            initial=drawn("i", some),
            sampling=drawn("s", some),
            noise=drawn("n", some),
        )
    for name, value in private[0, 1, 2].items():
        np.testing.assert_array_equal(value[2:], private[2,][name])
    for parameters in (plain, private[0, 1, 2]):
        right = engine.logits(network, parameters, x).argmax(-1) == y
        assert right[:, 200:].mean() > 0.85


def test_records_that_are_no_images_are_refused():
    for shape in ((2, 192), (1, 12, 3)):
        with pytest.raises(InputError, match="doesn't fit records of shape"):
            build(shape, 2, {"patch": 4, "channels": [8]})
