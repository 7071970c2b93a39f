"""Answers written token by token: each time the likeliest (greedy decoding), or one that is drawn."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medpriv.language.model import Attention, Transformer
from medpriv.language.tokenizer import END

Choose = Callable[[Tensor], Tensor]  # logits [B, V] to tokens [B]


def likeliest(logits: Tensor) -> Tensor:
    """Return the likeliest tokens."""
    return logits.argmax(dim=-1)


def drawn(rng: np.random.Generator, temperature: float, never: Sequence[int] = ()) -> Choose:
    """Return what draws tokens by their probabilities at a temperature; those in `never` have none."""

    def choose(logits: Tensor) -> Tensor:
        scores = logits.double().cpu().numpy() / temperature
        scores[:, list(never)] = -np.inf
        return torch.from_numpy((scores + rng.gumbel(size=scores.shape)).argmax(axis=1)).to(logits.device)

    return choose


@torch.no_grad()
def generate(
    model: Transformer, prompts: Sequence[np.ndarray], limit: int, end: int = END, choose: Choose = likeliest
) -> list[np.ndarray]:
    """Return each prompt's answer, int64 [its length], without the token that ended it.

    Prompts of one length are answered together, and the keys and values of what was read are kept.

    Args:
        model: a transformer, with LoRA or without.
        prompts: ids of each, one or more.
        limit: most tokens of an answer; fewer where the block ends.
        end: the token that ends an answer.
        choose: the next tokens.
    """
    lengths = np.array([len(prompt) for prompt in prompts])
    answers: list[np.ndarray] = [np.empty(0, np.int64)] * len(prompts)
    for length in np.unique(lengths):
        same = np.flatnonzero(lengths == length)
        written = _together(model, np.stack([prompts[at] for at in same]), limit, end, choose)
        for at, row in zip(same, written, strict=True):
            ends = np.flatnonzero(row == end)
            answers[at] = row[: ends[0]] if len(ends) else row
    return answers


def _together(model: Transformer, prompts: np.ndarray, limit: int, end: int, choose: Choose) -> np.ndarray:
    """Return int64 [B, up to limit]: what follows prompts of one length, and `end` from where an answer ended."""
    device = next(model.parameters()).device
    limit = min(limit, model.block_size - prompts.shape[1])
    written = np.full((len(prompts), max(limit, 0)), end, np.int64)
    going, memory = np.arange(len(prompts)), [None] * len(model.h)
    read, start = torch.from_numpy(prompts.astype(np.int64)).to(device), 0
    for step in range(limit):
        last, memory = _read(model, read, start, memory)
        chosen = choose(model.output(last))
        written[going, step] = chosen.cpu().numpy()
        more = chosen != end
        going, start = going[more.cpu().numpy()], start + read.shape[1]
        if not len(going):
            break
        memory = [(keys[more], values[more]) for keys, values in memory]
        read = chosen[more, None]
    return written


def _read(model: Transformer, tokens: Tensor, start: int, memory: list) -> tuple[Tensor, list]:
    """Return the last token's hidden state [B, n_embd] and each block's keys and values of all tokens so far."""
    positions = torch.arange(start, start + tokens.shape[1], device=tokens.device)
    x, kept = model.wte(tokens) + model.wpe(positions), []
    for block, before in zip(model.h, memory, strict=True):
        seen, now = _attend(block.attn, block.ln_1(x), before)
        x = x + seen
        x = x + block.mlp(block.ln_2(x))
        kept.append(now)
    return model.ln_f(x[:, -1]), kept


def _attend(attention: Attention, x: Tensor, before: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple]:
    """Return what the tokens see of themselves and of those before, and all keys and values, [B, heads, L, size]."""
    queries, keys, values = attention.heads_of(x)
    if before is not None:
        keys, values = (torch.cat(both, dim=2) for both in zip(before, (keys, values), strict=True))
    seen = functional.scaled_dot_product_attention(queries, keys, values, is_causal=before is None)
    return attention.c_proj(seen.transpose(1, 2).flatten(2)), (keys, values)
