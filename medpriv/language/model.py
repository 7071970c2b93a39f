"""A small causal transformer in the form of GPT-2, with its names: blocks that normalise first, learnt positions, GELU.

The output layer is the token embedding itself (tied). All parts are plain `nn.Linear`, `nn.LayerNorm` and
`nn.Embedding` modules that see [B, L, ...], so gradients a record can be taken at each of them, and a weight's name is
GPT-2's own (Radford et al. 2019) but for the linear layers, whose weights are [out, in]. No dropout.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

DEVIATION = 0.02  # of the normal distribution that GPT-2's weights are drawn from


class Attention(nn.Module):
    """Causal self-attention of `heads` heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, L, width] to [B, L, width]: position i looks at positions up to i."""
        seen = functional.scaled_dot_product_attention(*self.heads_of(x), is_causal=True)
        return self.c_proj(seen.transpose(1, 2).flatten(2))

    def heads_of(self, x: Tensor) -> Iterator[Tensor]:
        """Yield queries, keys and values, [B, heads, L, width / heads] each."""
        for part in self.c_attn(x).chunk(3, dim=-1):
            yield part.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Mlp(nn.Module):
    """Two layers, four times as wide between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, L, width] to [B, L, width]."""
        return self.c_proj(functional.gelu(self.c_fc(x), approximate="tanh"))


class Block(nn.Module):
    """Attention and perceptron, each added to what it read."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, L, width] to [B, L, width]."""
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    """Tokens to the logits of the tokens that follow.

    Args:
        vocabulary: V, ids of the tokenizer.
        n_layer: blocks.
        n_head: attention heads a block.
        n_embd: width; a multiple of `n_head`.
        block_size: longest text in tokens.
    """

    def __init__(self, vocabulary: int, n_layer: int, n_head: int, n_embd: int, block_size: int) -> None:
        super().__init__()
        self.block_size = block_size
        self.wte = nn.Embedding(vocabulary, n_embd)
        self.wpe = nn.Embedding(block_size, n_embd)
        self.h = nn.ModuleList(Block(n_embd, n_head) for _ in range(n_layer))
        self.ln_f = nn.LayerNorm(n_embd)

    def hidden(self, tokens: Tensor) -> Tensor:
        """Return the last hidden state of each token, [B, L, n_embd], for `output`.

        Args:
            tokens: int64 [B, L], L at most `block_size`; shorter texts are padded on the right with any id, which no
                token before sees.
        """
        positions = torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)
        x = self.wte(tokens) + self.wpe(positions)
        for block in self.h:
            x = block(x)
        return self.ln_f(x)

    def output(self, hidden: Tensor) -> Tensor:
        """Return logits [..., V] of hidden states [..., n_embd]: products with the token embedding."""
        return functional.linear(hidden, self.wte.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits [B, L, V] of tokens int64 [B, L]; entry i is of token i + 1."""
        return self.output(self.hidden(tokens))


def build(settings: Mapping[str, object], vocabulary: int, rng: np.random.Generator | None = None) -> Transformer:
    """Return a transformer.

    Args:
        settings: `n_layer`, `n_head`, `n_embd`, `block_size`.
        vocabulary: ids of the tokenizer.
        rng: draws GPT-2's first weights; None if weights are loaded into it.
    """
    sizes = {name: int(settings[name]) for name in ("n_layer", "n_head", "n_embd", "block_size")}
    model = Transformer(vocabulary, **sizes)
    if rng is not None:
        _initialise(model, rng)
    return model


@torch.no_grad()
def _initialise(model: Transformer, rng: np.random.Generator) -> None:
    """Normal weights, zero biases; what is added to the residual stream is smaller the more blocks add to it."""
    for name, value in model.named_parameters():
        if name.endswith("bias"):
            value.zero_()
        elif "ln_" not in name:
            share = (2 * len(model.h)) ** -0.5 if name.endswith("c_proj.weight") else 1.0
            value.copy_(torch.from_numpy(rng.normal(0, DEVIATION * share, value.shape)))
