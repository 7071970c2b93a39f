"""A network of plain torch modules behind the interface of `medpriv.models.network.Network`.

For networks that are too big to gain from stacking: convolutions over long signals take the same time one replicate
after another, and torch's own kernels know more layouts. A replicate's tensors are views of the stacked ones, so the
bank engine's optimiser, stores and shards work unchanged. Gradients come from autograd. `medpriv.models.blocks` has the
parts that such networks are made of.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from medpriv.models.blocks import Dropout
from medpriv.models.layers import Tensors, Workspace, he_uniform, linear_uniform

SLICE = 32  # records a pass in evaluation mode: what lies between the layers of more would leave the cache
KEPT = 2**27  # floats that an evaluation may keep for a backward pass; above, that pass repeats the forward one


@dataclass(frozen=True)
class ModuleNetwork:
    """Named blocks in order, for records of one shape; the last block is a linear layer.

    A replicate's dropout masks come from a generator seeded with a digest of the parameters that its training starts
    from, so they are the same whatever is trained beside it. Replicates run on a GPU where there is one; the stacked
    tensors stay in the processor's memory.

    Attributes:
        build: makes one replicate, whose children are the blocks: [records, *shape] to [records, outputs].
        shape: of one record, (leads, samples).
        outputs: values a record: 1 for a binary model (its logit z, which stands for the logits [0, z]), else classes.
    """

    build: Callable[[], nn.Sequential]
    shape: tuple[int, ...]
    outputs: int

    @property
    def stacked(self) -> bool:
        """Whether all replicates go through one batched product: here one goes after another."""
        return False

    @property
    def pass_records(self) -> int:
        """Records of a pass in evaluation mode: few, so that what lies between the layers stays in the cache."""
        return SLICE

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the blocks, the first part of their parameters' names."""
        return tuple(name for name, _ in self._shell.named_children())

    @property
    def head(self) -> tuple[str, ...]:
        """Names of the last layer's parameters, weight and bias."""
        return tuple(name for name in self._tensors if name.partition(".")[0] == self.layers[-1])

    def initial(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return one replicate's parameters (running statistics included), drawn in order.

        He-uniform weights, biases 0, normalisations that change nothing; the last layer, which no ReLU follows, as
        torch draws it.
        """
        held = {}
        for name in [name for name in self._tensors if name not in self.head]:
            like = self._tensors[name]
            if like.ndim > 1:
                held[name] = he_uniform(rng, len(like), like[0].numel()).reshape(like.shape)
            else:
                held[name] = np.full(like.shape, name.endswith(("weight", "running_var")), np.float32)
        last = linear_uniform(rng, *self._tensors[self.head[0]].shape)
        return held | dict(zip(self.head, last, strict=True))

    def flops(self) -> int:
        """Return the floating-point operations of training on one record: forward, weights' and inputs' gradients.

        Counted are those of convolutions and matrix products; nobody needs the first layer's input gradient.
        """
        with FlopCounterMode(display=False) as counter:
            self._trial(2).sum().backward()
        return counter.get_total_flops() // 2

    def values(self) -> int:
        """Return the floats that training keeps for one record."""
        return self._values

    def arrange(self, x: Tensor) -> Tensor:
        """Return records [..., *shape] as the first block reads them: as they are."""
        return x

    def restore(self, gradient: Tensor) -> Tensor:
        """Return arranged gradients as records [..., *shape]: as they are."""
        return gradient

    def frozen_names(self, names: Iterable[str], frozen: int) -> set[str]:
        """Return those of the parameters' names that belong to the first `frozen` blocks."""
        return {name for name in names if name.partition(".")[0] in self.layers[:frozen]}

    def forward(self, held: Tensors, x: Tensor, work: Workspace, training: bool, frozen: int = 0) -> Tensor:
        """Return outputs [K, records, outputs] for records [K, records, *shape]; the workspace owns them.

        The first `frozen` blocks run in evaluation mode whatever `training` says.
        """
        self._set_mode(training, frozen)
        outputs = work.buffer("outputs", *x.shape[:2], self.outputs)
        keep = training or x.shape[0] * x.shape[1] * self._values <= KEPT
        for name in [name for name in work.saved if name.endswith((".signals", ".result"))]:
            del work.saved[name]  # of a pass that no backward pass followed
        work.saved["x"] = x
        for k in range(len(x)):
            tensors = self._replicate(held, k)
            if training:
                for name in self._trained(frozen):
                    work.saved[f"{k}.{name}"] = tensors[name].requires_grad_()
                self._prepare_masks(tensors, work, k)
            for part in _parts(x, training):
                signals, result = self._pass(tensors, x[k, part])
                outputs[k, part] = result.detach()
                if keep:
                    work.saved[f"{k}.{part.start}.signals"] = signals
                    work.saved[f"{k}.{part.start}.result"] = result
            if training:
                self._keep_masks(work, k)
                for name in self._statistics:
                    held[name][k].copy_(tensors[name])
        return outputs

    def backward(
        self,
        held: Tensors,
        gradient: Tensor,
        work: Workspace,
        gradients: Tensors | None,
        need_input: bool = False,
        frozen: int = 0,
    ) -> Tensor | None:
        """Follow `forward`, once, with the gradient of its outputs [K, records, outputs].

        Fill `gradients` (of all but the first `frozen` blocks), return the input's if needed.
        With `gradients` None the forward pass was not in training.
        """
        training, x = gradients is not None, work.saved["x"]
        names = self._trained(frozen) if training else []
        back = work.buffer("back", *x.shape) if need_input else None
        for k in range(len(x)):
            for part in _parts(x, training):
                if f"{k}.{part.start}.result" in work.saved:
                    signals, result = (work.saved.pop(f"{k}.{part.start}.{name}") for name in ("signals", "result"))
                else:
                    self._set_mode(training=False, frozen=0)
                    signals, result = self._pass(self._replicate(held, k), x[k, part])
                wanted = [work.saved.pop(f"{k}.{name}") for name in names] + [signals] * need_input
                found = torch.autograd.grad(result, wanted, gradient[k, part].to(self._device), materialize_grads=True)
                for name, value in zip(names, found, strict=False):
                    gradients[name][k].copy_(value)
                if back is not None:
                    back[k, part] = found[-1]
        return back

    def features(self, held: Tensors, x: Tensor) -> Tensor:
        """Return what the last block reads in evaluation mode, [K, records, features]."""
        self._set_mode(training=False, frozen=0)
        found = []
        for k in range(len(x)):
            tensors = {name: value for name, value in self._replicate(held, k).items() if name not in self.head}
            with torch.no_grad():
                parts = [functional_call(self._shell[:-1], tensors, x[k, part].to(self._device)) for part in _parts(x)]
            found.append(torch.cat(parts).cpu())
        return torch.stack(found)

    def reference(self, parameters: Mapping[str, np.ndarray], replicate: int) -> nn.Sequential:
        """Return one replicate as a module of its own, in training mode: [records, *shape] to [records, outputs]."""
        with torch.device("meta"):
            module = self.build()
        module.to_empty(device="cpu")
        tensors = {name: torch.from_numpy(np.array(parameters[name][replicate])) for name in self._tensors}
        module.load_state_dict(tensors, strict=False)  # what is missing counts batches and is never read
        generator = torch.Generator().manual_seed(_digest(tensors))
        for part in module.modules():
            if isinstance(part, Dropout):
                part.generator = generator
        return module

    @cached_property
    def _shell(self) -> nn.Sequential:
        """The modules without memory: every pass puts a replicate's tensors in their parameters' places."""
        with torch.device("meta"):
            return self.build()

    @cached_property
    def _tensors(self) -> dict[str, Tensor]:
        """Parameters and running statistics of the shell, by name."""
        return {name: value for name, value in self._shell.state_dict().items() if value.is_floating_point()}

    @cached_property
    def _statistics(self) -> tuple[str, ...]:
        """Names of the running statistics."""
        return tuple(name for name in self._tensors if "running" in name)

    @cached_property
    def _masked(self) -> tuple[Dropout, ...]:
        """The shell's dropouts."""
        return tuple(part for part in self._shell.modules() if isinstance(part, Dropout))

    @cached_property
    def _values(self) -> int:
        """What autograd keeps of a third record in a batch: the parameters are kept for two already."""
        totals = []
        for records in (2, 3):
            kept: dict[int, int] = {}

            def note(tensor: Tensor, kept: dict[int, int] = kept) -> Tensor:
                kept[tensor.untyped_storage()._cdata] = tensor.numel()
                return tensor

            with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
                outputs = self._trial(records)  # held until counted, so that no storage gets another's address
            totals.append(sum(kept.values()))
            del outputs
        return totals[1] - totals[0]

    @cached_property
    def _device(self) -> torch.device:
        """Where replicates run."""
        if not torch.cuda.is_available():
            return torch.device("cpu")
        torch.backends.cudnn.deterministic = True  # the same bytes each time
        return torch.device("cuda")

    def _trained(self, frozen: int) -> list[str]:
        """Return the names of the parameters that training moves."""
        fixed = self.frozen_names(self._tensors, frozen)
        return [name for name in self._tensors if name not in fixed and name not in self._statistics]

    def _set_mode(self, training: bool, frozen: int) -> None:
        """Put the shell's blocks in training or evaluation mode."""
        for index, block in enumerate(self._shell):
            block.train(training and index >= frozen)

    def _replicate(self, held: Tensors, k: int) -> dict[str, Tensor]:
        """Return one replicate's tensors: views of the stacked ones, or copies on the GPU.

        Statistics are copies always, since other replicates' steps move those that autograd has kept.
        """
        views = {name: held[name][k].detach().to(self._device) for name in self._tensors}
        return views | {name: views[name].clone() for name in self._statistics}

    def _pass(self, tensors: Tensors, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the signals, as a leaf of autograd, and the outputs."""
        signals = x.detach().to(self._device).requires_grad_()
        return signals, functional_call(self._shell, dict(tensors), signals)

    def _prepare_masks(self, tensors: Tensors, work: Workspace, k: int) -> None:
        """Give the dropouts the replicate's generator, which goes on where the replicate's step before left it."""
        if not self._masked:
            return
        generator = torch.Generator(self._device)
        if f"{k}.masks" in work.saved:
            generator.set_state(work.saved[f"{k}.masks"])
        else:
            generator.manual_seed(_digest(tensors))
        for dropout in self._masked:
            dropout.generator = generator

    def _keep_masks(self, work: Workspace, k: int) -> None:
        """Keep the state of the replicate's generator."""
        if self._masked:
            work.saved[f"{k}.masks"] = self._masked[0].generator.get_state()

    def _trial(self, records: int) -> Tensor:
        """Return the outputs of a training pass that computes nothing but shapes."""
        with torch.device("meta"):
            return self.build()(torch.empty(records, *self.shape))


def _parts(x: Tensor, training: bool = False) -> Iterator[slice]:
    """Yield the records of [K, records, ...] that are worked on together: all in training, else a slice at a time."""
    size = x.shape[1] if training else SLICE
    return (slice(start, min(start + size, x.shape[1])) for start in range(0, x.shape[1], size))


def _digest(tensors: Tensors) -> int:
    """Return a 63-bit number that stands for these tensors."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(tensors[name].detach().cpu().contiguous().numpy().tobytes())
    return int.from_bytes(digest.digest()[:8], "big") >> 1
