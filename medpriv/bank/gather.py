"""Joining a bank's shards along K, ordered by replicate number, without holding them.

A replicate's rows of one array are read and written at a time, so memory grows neither with K nor with the records.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors import safe_open

from medpriv.bank.bank import read_about, write_about
from medpriv.bank.outputs import KINDS
from medpriv.errors import InputError
from medpriv.files import read_layout, write_tensors_in_parts

# Where a replicate stands: its shard, and its place in it.
Place = tuple[int, int]


def gather_shards(shards: Sequence[Path], folder: Path) -> None:
    """Join the shards in these folders to the bank in `folder`.

    Raises:
        InputError: the shards are not of one bank.
    """
    abouts, kinds, _ = zip(*(read_about(shard) for shard in shards), strict=True)
    if (
        any((about.dataset, about.spec) != (abouts[0].dataset, abouts[0].spec) for about in abouts)
        or len({*kinds}) != 1
    ):
        raise InputError("the shards are of several banks", file=folder, remedy="rerun the workflow")
    numbers = {
        number: (shard, place) for shard, about in enumerate(abouts) for place, number in enumerate(about.replicates)
    }
    order = [numbers[number] for number in sorted(numbers)]
    _join([shard / "bank.safetensors" for shard in shards], folder / "bank.safetensors", order)
    if kinds[0] is not None:
        made = KINDS[kinds[0]]
        _join([shard / made.file for shard in shards], folder / made.file, order, made.shared)
    write_about(folder, replace(abouts[0], replicates=tuple(sorted(numbers))), kinds[0], None)


def _join(files: Sequence[Path], target: Path, order: Sequence[Place], shared: Sequence[str] = ()) -> None:
    """Write one file of the bank from the shards' own."""
    held = read_layout(files[0])
    with ExitStack() as stack:
        opened = [stack.enter_context(safe_open(file, framework="numpy")) for file in files]
        # Of ragged arrays each replicate has `sizes` rows, of all others one.
        sizes = [part.get_tensor("sizes") for part in opened] if "sizes" in held else []

        def rows(name: str, place: Place) -> slice:
            shard, row = place
            if name == "sizes" or not sizes:
                return slice(row, row + 1)
            start = int(sizes[shard][:row].sum())
            return slice(start, start + int(sizes[shard][row]))

        def parts(name: str) -> Iterator[np.ndarray]:
            if name in shared:
                yield opened[0].get_tensor(name)
                return
            for place in order:
                part = rows(name, place)
                if part.stop > part.start:  # safetensors has no slice of nothing
                    yield opened[place[0]].get_slice(name)[part]

        def length(name: str) -> int:
            return sum(part.stop - part.start for part in (rows(name, place) for place in order))

        layout = {
            name: (dtype, shape if name in shared else (length(name), *shape[1:]))
            for name, (dtype, shape) in held.items()
        }
        write_tensors_in_parts(target, layout, parts)
