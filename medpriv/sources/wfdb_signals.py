"""The samples of a WFDB record: from the bytes of its signal files to checked millivolts at one rate.

Formats: signal(5) of the WFDB Applications Guide (physionet.org/physiotools/wag/signal-5.htm); FLAC, which it calls
508, 516 and 524, is left to the soundfile package. Sums and gaps are those of the samples as they are stored, before
skewed leads are shifted and leads of several samples a frame are brought to one rate. What a header states is read in
`medpriv.sources.wfdb_header`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from math import gcd

import numpy as np

from medpriv.errors import InputError
from medpriv.sources.wfdb_header import Header, Lead

MILLIVOLTS_PER = {"mV": 1.0, "uV": 1e-3, "\u00b5V": 1e-3, "\u03bcV": 1e-3, "V": 1e3}  # both Unicode signs of micro
DEFAULT_GAIN = 200.0  # that of the format, where a header leaves it out
RATES = 10.0, 100_000.0  # Hz; outside of it no ECG is sampled, and resampling would have no end
# Bits of a sample, whose lowest value marks a gap. Format 8 stores differences and has no mark.
BITS = {"80": 8, "508": 8, "310": 10, "311": 10, "212": 12, "16": 16, "61": 16, "160": 16, "516": 16}
BITS |= {"24": 24, "524": 24, "32": 32, "8": 32}
COMPRESSED = ("508", "516", "524")
_PLAIN = {"8": "<i1", "16": "<i2", "61": ">i2", "32": "<i4", "80": "u1", "160": "<u2"}
# Packed formats: samples a block, bytes a block, and how many bytes the last samples take if they fill no block.
_PACKED = {"212": (2, 3, (0, 2)), "310": (3, 4, (0, 2, 4)), "311": (3, 4, (0, 2, 3)), "24": (1, 3, (0,))}


def read_stored(header: Header) -> list[np.ndarray]:
    """Return each lead's samples as they are stored, int [frames * samples a frame], after sizes and checksums."""
    groups = _leads_by_file(header)
    frames = header.frames if header.frames is not None else _frames_stored(header, groups)
    stored = [np.empty(0, np.int16)] * len(header.leads)
    for file, leads in groups.items():
        form, offset = leads[0].form, leads[0].offset or 0
        if form in COMPRESSED:
            columns = _read_compressed(header, file, leads, frames)
        else:
            width = sum(lead.samples for lead in leads)
            raw = _read_bytes(header, file, _bytes_of(form, frames * width), offset)
            table = _unpack(raw, form, frames * width).reshape(frames, width)
            ends = np.cumsum([lead.samples for lead in leads])
            columns = [part.reshape(-1) for part in np.split(table, ends[:-1], axis=1)]
        for lead, column in zip(leads, columns, strict=True):
            if form == "8":  # differences; the first is to the header's initial value
                column = lead.initial + np.cumsum(column, dtype=np.int64)
            stored[header.leads.index(lead)] = column
    for lead, samples in zip(header.leads, stored, strict=True):
        _check_sum(header, lead, samples)
    return stored


def signals_of(header: Header, stored: Sequence[np.ndarray], chosen: Sequence[int]) -> tuple[np.ndarray, float, int]:
    """Return some leads of a record side by side.

    Args:
        header: the record's header.
        stored: what `read_stored` returns.
        chosen: positions of the leads.

    Returns:
        float32 [samples, leads] in millivolts; its rate in Hz, that of the lead with the most samples a frame; and
        the record's length in samples, of which skew may have cut some off the end.

    Raises:
        InputError: a gap, a unit that is no voltage, a rate that no ECG has, less than a second.
    """
    leads = [header.leads[lead] for lead in chosen]
    most = max(lead.samples for lead in leads)
    for lead in leads:
        _check_rate(header, lead)
    frames = len(stored[chosen[0]]) // leads[0].samples
    kept = frames - max(lead.skew for lead in leads)
    if kept < header.rate:
        raise InputError(
            f"{max(kept, 0)} frames at {header.rate:g} a second, less than a second",
            file=header.file,
            remedy="leave the record out",
        )
    columns = []
    for position, lead in zip(chosen, leads, strict=True):
        first = lead.skew * lead.samples
        column = _millivolts(header, lead, stored[position])[first : first + kept * lead.samples]
        columns.append(_at_rate(column, lead.samples, most))
    return np.stack(columns, axis=1), header.rate * most, frames * most


def _leads_by_file(header: Header) -> dict[str, list[Lead]]:
    """Return the leads of each signal file, which must follow one another and be stored alike."""
    groups: dict[str, list[Lead]] = {}
    for file, leads in groupby(header.leads, key=lambda lead: lead.file):
        group = list(leads)
        offsets = {lead.offset for lead in group} - {None}
        if file in groups or len({lead.form for lead in group}) > 1 or len(offsets) > 1:
            raise InputError(
                f"the leads in {file} do not follow one another, or differ in format or offset",
                file=header.file,
                remedy="get the file again",
            )
        if group[0].form not in BITS:
            raise InputError(
                f"format {group[0].form} is not known",
                file=header.file,
                place=f"lead {group[0].name}",
                remedy=f"store the signals in one of the formats {', '.join(BITS)}",
            )
        groups[file] = group
    return groups


def _bytes_of(form: str, samples: int) -> int:
    """Return how many bytes a number of samples takes, the last of which may fill no block."""
    if form in _PLAIN:
        return samples * np.dtype(_PLAIN[form]).itemsize
    block, size, tail = _PACKED[form]
    return samples // block * size + tail[samples % block]


def _frames_stored(header: Header, groups: dict[str, list[Lead]]) -> int:
    """Return how many frames the files of a record hold whose header does not say it; all must hold as many."""
    found = {}
    for file, leads in groups.items():
        width, form = sum(lead.samples for lead in leads), leads[0].form
        if form in COMPRESSED:
            with _compressed(header, file) as sound:
                found[file] = max(sound.frames - (leads[0].offset or 0), 0) // leads[0].samples
            continue
        size = max(header.file.with_name(file).stat().st_size - (leads[0].offset or 0), 0)
        block, bytes_, tail = _PACKED.get(form, (1, _bytes_of(form, 1), (0,)))
        rest = max(samples for samples, needed in enumerate(tail) if needed <= size % bytes_)
        found[file] = (size // bytes_ * block + rest) // width
        if len(tail) == 1 and size % (bytes_ * width):  # padding of the last block looks the same
            raise _truncated(header, file, f"{size} bytes end within a frame of {bytes_ * width}")
    if len(set(found.values())) > 1:
        files = ", ".join(f"{file} {frames}" for file, frames in found.items())
        raise _truncated(header, header.file.name, f"the signal files hold different numbers of frames: {files}")
    return next(iter(found.values()))


def is_shorter_than_files(header: Header) -> bool:
    """Return whether a signal file holds more whole frames than the header states and no checksum vouches for them.

    The stated length counts, by header(5) of the WFDB Applications Guide; but a record cut that way by mistake looks
    the same as one that was meant to end there.
    """
    if header.frames is None:
        return False
    return any(
        _frames_in(header, file, leads) > header.frames
        for file, leads in _leads_by_file(header).items()
        if not any(lead.checksum for lead in leads)
    )


def _frames_in(header: Header, file: str, leads: list[Lead]) -> int:
    """Return how many whole frames a signal file has room for."""
    form, offset, width = leads[0].form, leads[0].offset or 0, sum(lead.samples for lead in leads)
    if form in COMPRESSED:
        with _compressed(header, file) as sound:
            return (sound.frames - offset) // leads[0].samples
    block, size, _ = _PACKED.get(form, (1, _bytes_of(form, 1), (0,)))
    return (header.file.with_name(file).stat().st_size - offset) // size * block // width


def _read_bytes(header: Header, file: str, size: int, offset: int) -> np.ndarray:
    """Return `size` bytes of a signal file, uint8, after checking that it is long enough."""
    path = header.file.with_name(file)
    if (found := path.stat().st_size) < offset + size:
        raise _truncated(header, file, f"{found} bytes where the header promises {offset + size}")
    return np.fromfile(path, np.uint8, count=size, offset=offset)


def _unpack(raw: np.ndarray, form: str, samples: int) -> np.ndarray:
    """Return the samples in the bytes of a format, int [samples]; of format 8, their differences."""
    if form in _PLAIN:
        values = raw.view(_PLAIN[form])
        if form == "80":
            return values.astype(np.int16) - np.int16(128)
        return (
            (values.astype(np.int32) - 32768).astype(np.int16)
            if form == "160"
            else values.astype(values.dtype.newbyteorder("="))
        )
    block, size, _ = _PACKED[form]
    padded = np.zeros(-(-samples // block) * size, np.uint8)
    padded[: len(raw)] = raw
    rows = padded.reshape(-1, size).astype(np.int32)
    if form == "24":
        return _signed(rows[:, 0] | rows[:, 1] << 8 | rows[:, 2] << 16, 24)
    if form == "212":
        parts = [rows[:, 0] | (rows[:, 1] & 0x0F) << 8, rows[:, 2] | (rows[:, 1] >> 4) << 8]
    elif form == "310":
        one, two = rows[:, 0] | rows[:, 1] << 8, rows[:, 2] | rows[:, 3] << 8
        parts = [one >> 1 & 0x3FF, two >> 1 & 0x3FF, one >> 11 | (two >> 11) << 5]
    else:  # 311
        word = rows[:, 0] | rows[:, 1] << 8 | rows[:, 2] << 16 | (rows[:, 3] & 0x3F) << 24
        parts = [word & 0x3FF, word >> 10 & 0x3FF, word >> 20]
    return _signed(np.stack(parts, axis=1).reshape(-1)[:samples], BITS[form]).astype(np.int16)


def _signed(values: np.ndarray, bits: int) -> np.ndarray:
    """Return numbers whose highest of `bits` bits is their sign."""
    sign = 1 << (bits - 1)
    return (values ^ sign) - sign


def _read_compressed(header: Header, file: str, leads: list[Lead], frames: int) -> list[np.ndarray]:
    """Return the samples of each lead of a FLAC file, int32 [frames * samples a frame]."""
    samples, offset = frames * leads[0].samples, leads[0].offset or 0
    with _compressed(header, file) as sound:
        bits = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24}.get(sound.subtype, 32)
        if sound.channels != len(leads) or bits > BITS[leads[0].form] or len({lead.samples for lead in leads}) > 1:
            raise InputError(
                f"{sound.channels} channels of {bits} bits do not fit the header",
                file=header.file.with_name(file),
                remedy="get the header and the signal file again",
            )
        if sound.frames < offset + samples:
            raise _truncated(header, file, f"{sound.frames} samples where the header promises {offset + samples}")
        sound.seek(offset)
        table = sound.read(samples, dtype="int32", always_2d=True) >> (32 - bits)  # it fills the upper bits
    if len(table) < samples:
        raise _truncated(header, file, f"{len(table)} samples can be decoded of {samples}")
    return list(table.T)


@contextmanager
def _compressed(header: Header, file: str) -> Iterator:
    """Yield a FLAC file, open."""
    import soundfile

    path = header.file.with_name(file)
    try:
        with soundfile.SoundFile(path) as sound:
            yield sound
    except soundfile.SoundFileError as error:
        raise InputError(
            f"cannot be decoded ({error})", file=path, place=f"record {header.file.stem}", remedy="get the file again"
        ) from error


def _check_sum(header: Header, lead: Lead, samples: np.ndarray) -> None:
    """Refuse a lead whose 16-bit sum differs from the header's; 0 counts as not given, as some databases write it."""
    found = int(samples.sum(dtype=np.int64)) & 0xFFFF
    if lead.checksum and found != lead.checksum & 0xFFFF:
        raise InputError(
            f"checksum {found} where the header states {lead.checksum & 0xFFFF}",
            file=header.file,
            place=f"lead {lead.name}",
            remedy="get the header and the signal file again; one of them was altered",
        )


def _check_rate(header: Header, lead: Lead) -> None:
    rate = header.rate * lead.samples
    if not RATES[0] <= rate <= RATES[1]:
        raise InputError(
            f"{rate:g} samples a second, and no ECG is sampled at less than {RATES[0]:g} or more than {RATES[1]:,.0f}",
            file=header.file,
            place=f"line 1 and lead {lead.name}",
            remedy="write the rate in hertz",
        )


def _millivolts(header: Header, lead: Lead, stored: np.ndarray) -> np.ndarray:
    """Return a lead as float32 [samples] in millivolts."""
    if lead.unit not in MILLIVOLTS_PER:
        raise InputError(
            f"unit {lead.unit}, not a voltage",
            file=header.file,
            place=f"lead {lead.name}",
            remedy="give the unit as mV",
        )
    if lead.form != "8" and (gaps := np.flatnonzero(stored == -(1 << (BITS[lead.form] - 1)))).size:
        raise InputError(
            f"{gaps.size} samples without a value, the first at sample {gaps[0]}",
            file=header.file.with_name(lead.file),
            place=f"lead {lead.name}",
            remedy="cut the record to its complete part, or leave it out",
        )
    _check_baseline(header, lead, stored)
    exact = not stored.size or np.abs(stored.astype(np.int64)).max() < 1 << 24  # in float32
    number = np.float32 if exact else np.float64
    with np.errstate(over="ignore", invalid="ignore"):
        signal = (stored - number(lead.baseline)) * number(MILLIVOLTS_PER[lead.unit] / (lead.gain or DEFAULT_GAIN))
        signal = signal.astype(np.float32)
    if not np.isfinite(signal).all():
        raise InputError(
            f"gain {lead.gain:g} gives voltages beyond all numbers",
            file=header.file,
            place=f"lead {lead.name}",
            remedy="correct the gain",
        )
    return signal


def _check_baseline(header: Header, lead: Lead, stored: np.ndarray) -> None:
    """Refuse a baseline so far from the samples that float32 has fewer than 256 steps for what they differ by."""
    if not stored.size:
        return
    lowest, highest = int(stored.min()), int(stored.max())
    away = max(abs(lowest - lead.baseline), abs(highest - lead.baseline))
    if away > 1 << 24 and 0 < highest - lowest < 256 * np.spacing(np.float32(away)):
        raise InputError(
            f"baseline {lead.baseline}, far from all samples ({lowest} to {highest}), which would be lost beside it",
            file=header.file,
            place=f"lead {lead.name}",
            remedy="correct the baseline, the stored value of 0 mV",
        )


def _at_rate(signal: np.ndarray, samples: int, most: int) -> np.ndarray:
    """Return a lead [frames * samples] resampled to `most` samples a frame, float32 [frames * most]."""
    if samples == most:
        return signal
    from scipy.signal import resample_poly

    common = gcd(samples, most)
    return resample_poly(signal, most // common, samples // common, padtype="line").astype(np.float32)


def _truncated(header: Header, file: str, problem: str) -> InputError:
    return InputError(
        f"truncated: {problem}",
        file=header.file.with_name(file),
        place=f"record {header.file.stem}",
        remedy="get the file again",
    )
