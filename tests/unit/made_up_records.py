"""WFDB records made up by hand, byte by byte, in the forms that the wfdb package's writer has no settings for."""

import numpy as np
import wfdb


def checksum(samples):
    return int(np.sum(samples, dtype=np.int64)) & 0xFFFF


PLAIN = {"16": "<i2", "61": ">i2", "32": "<i4", "160": "<u2", "8": "i1"}


def write_record(folder, leads, rate=250, name="r", form="16", frames=None, line="", signs="200(0)/mV 12 0"):
    """Write a record by hand: `leads` is name -> (stored samples a frame [frames, n], skew in frames)."""
    lines, columns = [], []
    for lead, (samples, skew) in leads.items():
        token = f"{form}x{samples.shape[1]}" if samples.shape[1] > 1 else form
        token += f":{skew}" if skew else ""
        lines.append(f"{name}.dat {token} {signs} {samples[0, 0]} {checksum(samples)} 0 {lead}".rstrip())
        if form == "8":
            samples = np.diff(samples.reshape(-1), prepend=samples[0, 0]).reshape(samples.shape)
        columns.append(samples + 32768 if form == "160" else samples)
    stored = np.concatenate(columns, axis=1).astype(PLAIN[form])
    length = len(stored) if frames is None else frames
    header = [line or f"{name} {len(leads)} {rate} {length}", *lines, ""]
    (folder / f"{name}.hea").write_text("\n".join(header))
    (folder / f"{name}.dat").write_bytes(stored.tobytes())


def annotate(folder, ticks, symbols=None, name="r", **settings):
    wfdb.wrann(name, "atr", np.array(ticks), symbols or ["N"] * len(ticks), write_dir=str(folder), **settings)


def wave(samples, rate=250):
    """Return a made-up signal in stored units, [samples]."""
    time = np.arange(samples) / rate
    return np.rint(300 * np.sin(2 * np.pi * 1.3 * time) + 100 * np.sin(2 * np.pi * 7 * time)).astype(np.int64)


def note(text):
    """Return the bytes of a note at the annotation before it (code 22, no time passed)."""
    letters = text.encode()
    return (
        (22 << 10).to_bytes(2, "little")
        + (63 << 10 | len(letters)).to_bytes(2, "little")
        + letters
        + b"\0" * (len(letters) % 2)
    )


def beats(*steps, code=1):
    return b"".join((code << 10 | step).to_bytes(2, "little") for step in steps)


def skip(step):
    word = (step % (1 << 32)).to_bytes(4, "big")
    return (59 << 10).to_bytes(2, "little") + word[1::-1] + word[:1:-1]
