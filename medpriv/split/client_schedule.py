"""Whose turn it is: clients share out a replicate's updates in proportion to its records with them."""

from collections.abc import Sequence

import numpy as np

from medpriv.bank.batches import Batches


def client_turns(counts: np.ndarray, epochs: int, updates: int) -> np.ndarray:
    """Return int [K, epochs * updates]: the client of each update.

    In every epoch clients follow one another in their order, each for as many updates in a row as keep its total
    nearest to its share of the replicate's records; one without records is never asked.

    Args:
        counts: int [K, C], records of each replicate with each client.
        updates: of one epoch.
    """
    shares = counts / counts.sum(1, keepdims=True)
    turns = np.empty((len(counts), epochs * updates), np.int64)
    for k, share in enumerate(shares):
        given = np.zeros(len(share), np.int64)
        for epoch in range(epochs):
            some = _shared_out(share * updates * (epoch + 1) - given, updates)
            turns[k, epoch * updates : (epoch + 1) * updates] = np.repeat(np.arange(len(share)), some)
            given += some
    return turns


def _shared_out(due: np.ndarray, total: int) -> np.ndarray:
    """Return whole numbers that add up to `total`: what is due, rounded down, then the largest remainders up."""
    whole = np.maximum(np.floor(due + 1e-9), 0).astype(np.int64)
    order = np.argsort(whole - due, kind="stable")
    short = total - whole.sum()
    if short > 0:
        whole[order[:short]] += 1
    return whole


class ClientBatches:
    """Batches of each replicate, each from the records of one client.

    Args:
        members: bool [K, N], the records of each replicate.
        client: int [N], the client that holds each record.
        batch_size: records a batch.
        generators: [K][C], one a replicate and client, so that a client's batches depend on nobody else's.
    """

    def __init__(
        self,
        members: np.ndarray,
        client: np.ndarray,
        batch_size: int,
        generators: Sequence[Sequence[np.random.Generator]],
    ) -> None:
        self._streams = [
            [self._stream(row & (client == number), batch_size, rng) for number, rng in enumerate(some)]
            for row, some in zip(members, generators, strict=True)
        ]
        self._rows = np.empty((len(members), batch_size), np.int64)

    @staticmethod
    def _stream(rows: np.ndarray, batch_size: int, rng: np.random.Generator) -> Batches | None:
        """Return the batches of the rows, bool [N]; None where there are none."""
        return Batches(rows[None], batch_size, [rng]) if rows.any() else None

    def next(self, turns: np.ndarray) -> np.ndarray:
        """Return int64 [K, batch_size], record numbers of replicate k's next batch of client turns[k]."""
        for k, number in enumerate(turns):
            self._rows[k] = self._streams[k][number].next()[0]
        return self._rows

    def all(self) -> np.ndarray:
        """Return int64 [K, C, batch_size], the next batch of every client.

        In place of a client without records stands another's batch, which is to count for nothing.
        """
        rows = []
        for some in self._streams:
            drawn = [stream.next()[0].copy() if stream else None for stream in some]
            spare = next(batch for batch in drawn if batch is not None)
            rows.append([spare if batch is None else batch for batch in drawn])
        return np.array(rows)
