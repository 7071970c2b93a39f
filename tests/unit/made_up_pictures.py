"""Small pictures for tests of image sources: chests of a few pixels, sound and odd."""

import csv
import json

import numpy as np
from PIL import Image

from medpriv.seeds import generator


def levels(name, width=20, height=16):
    """Return uint8 [height, width] that is another for each name."""
    rng = generator(0, "picture", str(name))
    return np.clip(rng.normal(120, 40, (height, width)), 1, 255).astype(np.uint8)


def save(path, array, **options):
    """Write an array (or a Pillow image) as the picture that the path's ending says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(path, "PNG" if path.suffix.lower() == ".png" else "JPEG", **options)
    return path


def add_manifest(folder):
    (folder / "manifest.json").write_text(json.dumps({"source": "local", "licence": "CC BY 4.0", "files": {}}))
    return folder


def kermany_folder(folder, patients=12):
    """Write a normal child and one with pneumonia by turns, two pictures each, in both of the publisher's parts."""
    for number in range(1, patients + 1):
        for part, index in (("train", 1), ("test", 2)):
            name = f"NORMAL/IM-{number:04d}-{index:04d}.jpeg"
            if number % 2 == 0:
                name = f"PNEUMONIA/person{number}_{'bacteria' if number % 4 else 'virus'}_{10 * number + index}.jpeg"
            save(folder / part / name, levels(name))
    return add_manifest(folder)


def own_folder(folder, patients=10, **columns):
    """Write two PNGs a patient, by turns ill and well, and their CSV; `columns` are functions of the patient."""
    rows = []
    for number in range(patients):
        for index in range(2):
            file = f"pictures/{number}-{index}.png"
            save(folder / file, levels(file))
            row = {"file": file, "label": "ill" if number % 2 else "well", "patient": f"P{number}"}
            rows.append(row | {name: value(number) for name, value in columns.items()})
    write_rows(folder, rows)
    return add_manifest(folder)


def write_rows(folder, rows):
    with (folder / "labels.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def read_own_rows(folder):
    with (folder / "labels.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def bomb(width, height):
    """Return a PNG of a few hundred bytes whose header declares an enormous picture."""
    import struct
    import zlib

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
