"""A stacked convolution over images: rows and columns of positions, otherwise `medpriv.models.layers.Convolution`."""

from dataclasses import dataclass
from itertools import product

from torch import Tensor

from medpriv.models.layers import Convolution, Workspace, window_spans


@dataclass(frozen=True)
class Convolution2d(Convolution):
    """Square convolution without bias, normalisation, ReLU.

    x [K, records, rows * columns, channels], W [K, outputs, kernel * kernel * channels] (within a row: kernel rows,
    kernel columns, channels). `positions` is rows * columns.

    Attributes:
        rows, columns: of the input.
    """

    rows: int
    columns: int

    @property
    def rows_out(self) -> int:
        """Rows left."""
        return (self.rows + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def columns_out(self) -> int:
        """Columns left."""
        return (self.columns + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def positions_out(self) -> int:
        """Positions left."""
        return self.rows_out * self.columns_out

    @property
    def window(self) -> int:
        """Values that a window covers."""
        return self.kernel**2 * self.channels

    def _windows(self, x: Tensor, work: Workspace) -> Tensor:
        """Return [K, records * positions_out, window]; where a window hangs over an edge it is 0."""
        sides = (self.rows_out, self.columns_out, self.kernel, self.kernel, self.channels)
        windows = work.buffer(f"{self.name}.windows", *x.shape[:2], *sides)
        image = x.unflatten(2, (self.rows, self.columns))
        for (i, (some, where)), (j, (some_columns, where_columns)) in self._spans():
            windows[:, :, some, some_columns, i, j] = image[:, :, where, where_columns]  # the rest stays 0
        return windows.view(len(x), -1, self.window)

    def _fold(self, windows: Tensor, work: Workspace) -> Tensor:
        """Return [K, records, positions, channels]: the windows' values added up where they came from.

        Windows are [K, records, positions_out, kernel * kernel, channels].
        """
        out = work.buffer(f"{self.name}.gx", *windows.shape[:2], self.rows, self.columns, self.channels).zero_()
        parts = windows.unflatten(3, (self.kernel, self.kernel)).unflatten(2, (self.rows_out, self.columns_out))
        for (i, (some, where)), (j, (some_columns, where_columns)) in self._spans():
            out[:, :, where, where_columns] += parts[:, :, some, some_columns, i, j]
        return out.flatten(2, 3)

    def _spans(self) -> list[tuple[tuple[int, tuple[slice, slice]], tuple[int, tuple[slice, slice]]]]:
        """Return, for each offset in the kernel, its row and column with their spans (see `window_spans`)."""
        sides = (window_spans(size, self.kernel, self.stride, self.padding) for size in (self.rows, self.columns))
        return list(product(*map(list, map(enumerate, sides))))
