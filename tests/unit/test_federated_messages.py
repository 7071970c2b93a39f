"""Messages: the same arrays are the same bytes, and what is none is refused."""

import numpy as np
import pytest

from medpriv.errors import InputError
from medpriv.federated.messages import pack, size_of, unpack


def test_arrays_come_back_whatever_their_order_and_layout():
    arrays = {"b": np.arange(6, dtype=np.float32).reshape(2, 3).T, "a": np.array([1, 2], np.uint64)}
    message = pack(arrays)
    assert message == pack(dict(reversed(arrays.items())))
    back = unpack(message, "a client")
    assert set(back) == {"a", "b"}
    for name, value in arrays.items():
        assert np.array_equal(back[name], value) and back[name].dtype == value.dtype


def test_sizes_are_of_one_replicates_message():
    arrays = {"w": np.zeros((5, 10), np.float32)}
    assert size_of(arrays) == len(pack({"w": np.zeros(10, np.float32)}))
    assert size_of({}) == 0


@pytest.mark.parametrize("spoilt", [b"", b"not a message", pack({"w": np.zeros(10)})[:-8]])
def test_what_is_no_message_is_refused_by_its_senders_name(spoilt):
    with pytest.raises(InputError, match="message from cleveland"):
        unpack(spoilt, "cleveland")
