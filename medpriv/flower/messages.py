"""Arrays and settings to Flower's records and back, and how many bytes they are as sent.

All arrays of a message travel as one: a safetensors file in a byte array. Flower sends each array in requests of its
own, each of which costs more than a small model's bytes do.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

from medpriv.federated import messages

_ARRAYS, _SETTINGS, _TEXT, _FILE = "arrays", "settings", "json", "safetensors"


def pack(settings: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None) -> RecordDict:
    """Return a message's content: settings (plain JSON values) and arrays by name."""
    packed = RecordDict({_SETTINGS: ConfigRecord({_TEXT: json.dumps(settings, sort_keys=True, allow_nan=False)})})
    if arrays:
        packed[_ARRAYS] = ArrayRecord({_FILE: Array(np.frombuffer(messages.pack(arrays), np.uint8))})
    return packed


def unpack(content: RecordDict) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the settings and arrays of a message made by `pack`; KeyError, TypeError or ValueError if it is not."""
    settings = json.loads(content.config_records[_SETTINGS][_TEXT])
    if not isinstance(settings, dict):
        raise ValueError("its settings have no names")
    if _ARRAYS not in content.array_records:
        return settings, {}
    return settings, messages.unpack(content.array_records[_ARRAYS][_FILE].numpy().tobytes(), "the other end")


def count_bytes(content: RecordDict) -> int:
    """Return the bytes of a message's content as Flower sends it: every object of it, serialised."""
    from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects

    return sum(len(part.deflate()) for part in get_all_nested_objects(content).values())
