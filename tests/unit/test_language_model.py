"""The transformer and LoRA, against a forward pass written out by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from medpriv.language.lora import Lora, adapters, add_lora, merged
from medpriv.language.model import Transformer, build

SIZES = {"n_layer": 2, "n_head": 2, "n_embd": 8, "block_size": 12}
V = 11


@pytest.fixture
def model() -> Transformer:
    """A small model whose every weight is drawn, biases and normalisations too."""
    rng = np.random.default_rng(0)
    made = build(SIZES, V, rng)
    with torch.no_grad():
        for value in made.parameters():
            value.add_(torch.from_numpy(rng.normal(0, 0.3, value.shape)))
    return made.double()


def tokens_of(seed: int, shape: tuple[int, ...]) -> torch.Tensor:
    """Random ids."""
    return torch.from_numpy(np.random.default_rng(seed).integers(0, V, shape))


def slow_logits(weights: dict[str, np.ndarray], tokens: np.ndarray) -> np.ndarray:
    """GPT-2's forward pass of one text in NumPy, one position and head at a time; [L, V]."""

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def linear(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def attention(x, name):
        width, size = x.shape[1], x.shape[1] // SIZES["n_head"]
        three = linear(x, f"{name}.c_attn")
        seen = np.zeros_like(x)
        for head in range(SIZES["n_head"]):
            part = slice(head * size, (head + 1) * size)
            q, k, v = (three[:, start * width : (start + 1) * width][:, part] for start in range(3))
            for i in range(len(x)):
                scores = np.array([q[i] @ k[j] / np.sqrt(size) for j in range(i + 1)])
                chances = np.exp(scores - scores.max())
                seen[i, part] = (chances / chances.sum()) @ v[: i + 1]
        return linear(seen, f"{name}.c_proj")

    x = weights["wte.weight"][tokens] + weights["wpe.weight"][: len(tokens)]
    for block in range(SIZES["n_layer"]):
        x = x + attention(norm(x, f"h.{block}.ln_1"), f"h.{block}.attn")
        wide = linear(norm(x, f"h.{block}.ln_2"), f"h.{block}.mlp.c_fc")
        wide = 0.5 * wide * (1 + np.tanh(np.sqrt(2 / np.pi) * (wide + 0.044715 * wide**3)))
        x = x + linear(wide, f"h.{block}.mlp.c_proj")
    return norm(x, "ln_f") @ weights["wte.weight"].T


def test_logits_equal_a_forward_pass_by_hand(model):
    tokens = tokens_of(1, (3, 9))
    weights = {name: value.detach().numpy() for name, value in model.named_parameters()}
    logits = model(tokens).detach().numpy()
    for text, own in zip(tokens.numpy(), logits, strict=True):
        np.testing.assert_allclose(own, slow_logits(weights, text), rtol=1e-10, atol=1e-10)


def test_names_are_those_of_gpt2():
    names = set(build(SIZES, V).state_dict())
    layers = ("ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj")
    blocks = {f"h.{b}.{layer}.{kind}" for b in range(2) for layer in layers for kind in ("weight", "bias")}
    assert names == blocks | {"wte.weight", "wpe.weight", "ln_f.weight", "ln_f.bias"}


def test_default_size_has_some_390_000_parameters():
    model = build({"n_layer": 3, "n_head": 4, "n_embd": 96, "block_size": 64}, 512)
    assert sum(value.numel() for value in model.parameters()) == 391_008


def test_no_position_sees_what_follows(model):
    tokens = tokens_of(2, (1, 10))
    before = model(tokens)
    for at in range(10):
        changed = tokens.clone()
        changed[0, at] = (changed[0, at] + 1) % V
        after = model(changed)
        assert torch.equal(after[:, :at], before[:, :at])
        assert not torch.allclose(after[:, at], before[:, at])


def test_padding_changes_nothing(model):
    tokens = tokens_of(3, (2, 6))
    padded = nn.functional.pad(tokens, (0, 5))
    torch.testing.assert_close(model(padded)[:, :6], model(tokens))


def test_output_is_tied_to_the_embedding(model):
    """The gradient of wte is the sum of the one by the input and the one by the output."""
    tokens = tokens_of(4, (2, 5))
    model(tokens).square().sum().backward()
    both = model.wte.weight.grad.clone()
    model.zero_grad()
    hidden = model.hidden(tokens)
    alone = torch.autograd.grad(model.output(hidden.detach()).square().sum(), model.wte.weight)[0]
    torch.nn.functional.linear(hidden, model.wte.weight.detach()).square().sum().backward()
    torch.testing.assert_close(both, alone + model.wte.weight.grad)
    assert alone.abs().sum() > 0
    assert model.wte.weight.grad.abs().sum() > 0


def test_first_weights_are_gpt2s_and_come_from_the_generator():
    sizes = SIZES | {"n_embd": 64}
    one, same, other = (build(sizes, V, np.random.default_rng(seed)).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["wte.weight"], other["wte.weight"])
    assert one["h.0.attn.c_attn.weight"].std() == pytest.approx(0.02, rel=0.05)
    assert one["h.1.mlp.c_proj.weight"].std() == pytest.approx(0.02 / 2, rel=0.05)
    assert not one["h.0.mlp.c_fc.bias"].any()
    assert (one["h.0.ln_1.weight"] == 1).all()


def lora_of(model: Transformer) -> dict[str, torch.Tensor]:
    """Add LoRA to the model and draw B too; the model's weights before."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    add_lora(model, 3, 6.0, np.random.default_rng(5))
    model.double()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_B" in name:
                value.normal_(generator=torch.Generator().manual_seed(len(name)))
    return before


def test_lora_begins_as_the_base(model):
    tokens = tokens_of(6, (2, 7))
    before = model(tokens)
    add_lora(model, 2, 4.0, np.random.default_rng(0))
    assert torch.equal(model.double()(tokens), before)


def test_lora_learns_its_own_weights_alone(model):
    before = lora_of(model)
    learnt = {name for name, value in model.named_parameters() if value.requires_grad}
    assert learnt == set(adapters(model.state_dict()))
    assert len(learnt) == 2 * 4 * SIZES["n_layer"]
    model(tokens_of(7, (2, 7))).square().sum().backward()
    assert all((value.grad is not None) == (name in learnt) for name, value in model.named_parameters())
    assert all(torch.equal(before[name], model.state_dict()[name]) for name in before)


def test_a_lora_layer_is_the_formula():
    linear = nn.Linear(4, 5)
    layer = Lora(linear, 2, 3.0, np.random.default_rng(0))
    nn.init.normal_(layer.lora_B.weight, generator=torch.Generator().manual_seed(0))
    x = torch.randn(7, 4, generator=torch.Generator().manual_seed(1))
    thin = (x @ layer.lora_A.weight.T) @ layer.lora_B.weight.T
    torch.testing.assert_close(layer(x), linear(x) + 3.0 / 2 * thin)
    assert layer.lora_A.weight.shape == (2, 4)
    assert layer.lora_B.weight.shape == (5, 2)


def test_merged_weights_answer_alike(model):
    base = lora_of(model)
    tokens = tokens_of(8, (2, 7))
    plain = build(SIZES, V).double()
    plain.load_state_dict(merged(model.state_dict(), 6.0))
    torch.testing.assert_close(plain(tokens), model(tokens))
    plain.load_state_dict(merged(base | adapters(model.state_dict()), 6.0))
    torch.testing.assert_close(plain(tokens), model(tokens))
    plain.load_state_dict(base)
    assert not torch.allclose(plain(tokens), model(tokens))


def test_lora_without_a_layer_to_stand_beside_is_refused():
    with pytest.raises(ValueError, match="no linear layer named c_attn"):
        add_lora(nn.Sequential(nn.Linear(2, 2)), 1, 1.0)
