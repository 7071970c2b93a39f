"""Split learning over messages equals the one in one process; a hospital that fails takes its turn back."""

import numpy as np
import pytest

pytest.importorskip("flwr", reason="Flower is not installed")

from flower_toys import SITES, assert_equal_weights, made_up_dataset, made_up_federation, split_in_process, split_job

from medpriv.files import read_tensors
from medpriv.flower.encrypted_channel import EncryptedChannel
from medpriv.flower.processes import DeploymentError
from medpriv.flower.server import agree
from medpriv.flower.split_server import learn_split


def learn(exchange, job) -> dict[str, np.ndarray]:
    """Run a job of split learning."""
    return learn_split(exchange, job, agree(exchange, job))


@pytest.mark.parametrize("variant", ["vanilla", "ushaped", "nopeek"])
def test_weights_equal_those_in_one_process(variant, tmp_path):
    dataset = made_up_dataset()
    settings = {"strength": 0.5} if variant == "nopeek" else {}
    job = split_job(variant, reveal=True, settings=settings)
    assert_equal_weights(learn(made_up_federation(tmp_path, dataset), job), split_in_process(dataset, job))


def test_without_a_seed_noise_and_batches_are_secret_and_no_two_runs_are_alike(tmp_path):
    settings = {"clip": 1.0, "deviation": 0.5}
    job = split_job("noise", reveal=True, settings=settings) | {"seed": None}
    first, second = (learn(made_up_federation(tmp_path / run, made_up_dataset()), job) for run in ("1", "2"))
    assert all(not np.array_equal(first[name], second[name]) and np.isfinite(first[name]).all() for name in first)


def test_hospitals_keep_the_finished_layers_unless_told_to_reveal_them(tmp_path):
    dataset, job = made_up_dataset(), split_job("ushaped")
    found, expected = learn(made_up_federation(tmp_path, dataset), job), split_in_process(dataset, job)
    assert_equal_weights(found, {name: value for name, value in expected.items() if name.startswith("hidden2")})
    for name in SITES:
        saved = read_tensors(tmp_path / name / "layers.safetensors")
        kept = {part: value[0] for part, value in expected.items() if not part.startswith("hidden2")}
        assert_equal_weights(saved, kept)


def test_labels_do_not_leave_in_the_u_shaped_form(tmp_path):
    exchange, seen = made_up_federation(tmp_path, made_up_dataset()), set()
    ask = exchange.ask

    def listen(question, *told, **more):
        found = ask(question, *told, **more)
        seen.update((question, name) for reply in found.values() for name in reply.arrays)
        return found

    exchange.ask = listen
    learn(exchange, split_job("ushaped"))
    assert seen == {("step", "sent"), ("step", "encrypted"), ("turn", "slope")}


@pytest.mark.parametrize("message", [1, 2, 3])
def test_a_turn_that_is_not_finished_is_as_if_it_had_not_begun(message, tmp_path):
    """South answers that many messages of its turn (the first brings it the layers) and no more."""
    dataset, job = made_up_dataset(), split_job("vanilla", epochs=1, batch_size=8, reveal=True)
    exchange, reference = made_up_federation(tmp_path, dataset), made_up_federation(tmp_path, dataset)
    common = agree(exchange, job)
    ask, asked = exchange.ask, []

    def fail(question, settings, arrays=None, *, to=None, **more):
        if question == "step" and to == ["south"]:
            asked.append(question)
            if len(asked) == message:
                exchange.grid.silent.add(2)
        return ask(question, settings, arrays, to=to, **more)

    exchange.ask = fail
    agree(reference, job)
    skip = reference.ask

    def leave_when_the_first_turn_has_begun(question, *told, **more):
        if question == "step":
            reference.gone["south"] = "has no turn"
        return skip(question, *told, **more)

    reference.ask = leave_when_the_first_turn_has_begun
    found, expected = (learn_split(part, job, common) for part in (exchange, reference))
    assert list(exchange.gone) == ["south"]
    assert_equal_weights(found, expected)


def test_when_the_holder_of_the_layers_is_gone_the_run_ends_with_that_reason(tmp_path):
    exchange, job = made_up_federation(tmp_path, made_up_dataset()), split_job("vanilla")
    common = agree(exchange, job)
    ask = exchange.ask

    def lose_north_when_it_is_to_hand_over(question, settings, *told, **more):
        if "reader" in settings:
            exchange.grid.silent.add(1)
        return ask(question, settings, *told, **more)

    exchange.ask = lose_north_when_it_is_to_hand_over
    with pytest.raises(DeploymentError, match="north, who held the hospitals' layers, is out of the run"):
        learn_split(exchange, job, common)


def test_a_hospital_that_is_lost_at_the_end_costs_nobody_the_model(tmp_path):
    dataset, job = made_up_dataset(), split_job("vanilla", reveal=True)
    exchange = made_up_federation(tmp_path, dataset)
    ask, last = exchange.ask, []

    def lose_one_that_is_to_save(question, settings, *told, to=None, **more):
        if settings.get("save") and "writer" in settings and not last:
            last.extend(to)
            exchange.grid.silent.add(1 + SITES.index(to[0]))
        return ask(question, settings, *told, to=to, **more)

    exchange.ask = lose_one_that_is_to_save
    assert_equal_weights(learn(exchange, job), split_in_process(dataset, job))
    saved = [name for name in SITES if (tmp_path / name / "layers.safetensors").exists()]
    assert len(last) == 1 and saved == [name for name in SITES if name not in last]


def test_letters_are_read_by_the_one_they_are_for():
    from cryptography.exceptions import InvalidTag

    writer, reader, server = (EncryptedChannel() for _ in range(3))
    arrays = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3)}
    message = writer.encrypt(arrays, reader.public)
    np.testing.assert_array_equal(reader.decrypt(message, writer.public)["weight"], arrays["weight"])
    assert arrays["weight"].tobytes() not in message.tobytes()
    for other, key in ((server, writer.public), (reader, server.public)):
        with pytest.raises(InvalidTag):
            other.decrypt(message, key)
    changed = message.copy()
    changed[-1] ^= 1
    with pytest.raises(InvalidTag):
        reader.decrypt(changed, writer.public)
