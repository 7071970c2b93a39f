"""Simulated chest X-rays in Kermany's layout: JPEG folders, the patient in each file's name.

A chest is drawn as a film shows it: air dark, what absorbs bright. Every patient has an anatomy of their own (width,
heart, diaphragm, ribs, clavicles, vessels), exposure and laterality mark; some have several images, from other poses,
breaths and exposures. Pneumonia has a severity from a trace to full: bacteria fill a lobe, viruses cloud both lungs.
Healthy lungs have traces of both, and breathe out on some images, so that classes overlap. Nobody's image is copied.
Patients are all of one site, since the publisher's names tell none.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, zoom

from medpriv.files import replacing
from medpriv.seeds import generator

# The causes of as many patients, again and again, so that any number of them has about the same mix; the publisher's
# own has more of pneumonia (74 %).
CAUSES = ("normal", "bacteria", "normal", "virus", "normal", "bacteria", "normal", "bacteria", "normal", "virus")
SEVERAL = (0.74, 0.16, 0.10)  # shares of patients with one, two, three images
TESTED = 5  # one patient in so many is of the publisher's part `test`
WIDTHS, HEIGHTS = (112, 137), (92, 113)  # pixels of an image: least, and one more than most


@dataclass(frozen=True)
class Person:
    """A patient's chest, in units of half the image's width (u, to the right) and height (v, downwards).

    Attributes:
        cause: normal, bacteria or virus.
        severity: 0 to 1; of the normal, of a trace.
        chest: half width of the rib cage.
        apex, base: where lungs begin and end.
        gap: half width of the mediastinum.
        heart: centre (u, v) and half axes of the heart.
        ribs: their spacing in v, where the first is, how far they sag to the side, contrast.
        clavicle: height and slope.
        vessels: strength of the vessels' pattern.
        texture: float32 [24, 24], the lungs' own pattern.
        focus: (lung -1 or 1, height, half axes) of the filled lobe.
        mark: where the laterality mark is, -1 left to 1 right.
        exposure, contrast, grain: of this patient's films.
    """

    cause: str
    severity: float
    chest: float
    apex: float
    base: float
    gap: float
    heart: tuple[float, float, float, float]
    ribs: tuple[float, float, float, float]
    clavicle: tuple[float, float]
    vessels: float
    texture: np.ndarray
    focus: tuple[float, float, float, float]
    mark: float
    exposure: float
    contrast: float
    grain: float


def simulate(settings: dict, folder: Path, seed: int) -> None:
    """Write as many `images` as the `simulated` settings ask for; same seed, same bytes."""
    written = number = 0
    while written < settings["images"]:
        person = draw_person(number, generator(seed, "patient", number))
        several = 1 + int(generator(seed, "patient", number, "images").choice(len(SEVERAL), p=SEVERAL))
        for index in range(min(several, settings["images"] - written)):
            rng = generator(seed, "patient", number, "image", index)
            _write(draw_image(person, rng), folder / _name(person.cause, number, index, written))
            written += 1
        number += 1


def _name(cause: str, number: int, index: int, written: int) -> str:
    """Return an image's name, with its folders, as the publisher makes them."""
    part = "test" if number // len(CAUSES) % TESTED == TESTED - 1 else "train"
    if cause == "normal":
        return f"{part}/NORMAL/IM-{number + 1:04d}-{index + 1:04d}.jpeg"
    return f"{part}/PNEUMONIA/person{number + 1}_{cause}_{written + 1}.jpeg"


def _write(image: np.ndarray, path: Path) -> None:
    with replacing(path) as partial:
        Image.fromarray(image).save(partial, "JPEG", quality=92)


def draw_person(number: int, rng: np.random.Generator) -> Person:
    """Draw the patient of a number, which alone decides the cause."""
    cause = CAUSES[number % len(CAUSES)]
    gap = rng.uniform(0.10, 0.16)
    return Person(
        cause=cause,
        severity=float(0.5 * rng.beta(1.3, 3.2) if cause == "normal" else 0.12 + 0.88 * rng.beta(2.0, 1.2)),
        chest=rng.uniform(0.66, 0.84),
        apex=rng.uniform(-0.86, -0.70),
        base=rng.uniform(0.40, 0.66),
        gap=gap,
        heart=(rng.uniform(0.08, 0.20), rng.uniform(0.22, 0.38), rng.uniform(0.24, 0.36), rng.uniform(0.34, 0.46)),
        ribs=(rng.uniform(0.15, 0.20), rng.uniform(0, 0.2), rng.uniform(0.22, 0.42), rng.uniform(0.07, 0.14)),
        clavicle=(rng.uniform(-0.78, -0.62), rng.uniform(-0.28, -0.08)),
        vessels=rng.uniform(0.06, 0.15),
        texture=rng.standard_normal((24, 24)).astype(np.float32),
        focus=(
            float(rng.choice((-1, 1))),
            rng.uniform(-0.35, 0.4),
            rng.uniform(0.20, 0.34),
            rng.uniform(0.24, 0.40),
        ),
        mark=rng.choice((-1.0, 1.0)) * rng.uniform(0.82, 0.92),
        exposure=rng.normal(0, 0.02),
        contrast=rng.lognormal(0, 0.08),
        grain=rng.uniform(0.008, 0.024),
    )


def draw_image(person: Person, rng: np.random.Generator) -> np.ndarray:
    """Return one image of a patient, uint8 [H, W]: this pose, breath and exposure."""
    width, height = int(rng.integers(*WIDTHS)), int(rng.integers(*HEIGHTS))
    turn, zoomed = rng.normal(0, 0.035), rng.normal(1.0, 0.035)
    u0 = (np.linspace(-1, 1, width, dtype=np.float32) - rng.normal(0, 0.03))[None, :]
    v0 = (np.linspace(-1, 1, height, dtype=np.float32) - rng.normal(0, 0.03))[:, None]
    u = (u0 * np.cos(turn) + v0 * np.sin(turn)) * zoomed
    v = (v0 * np.cos(turn) - u0 * np.sin(turn)) * zoomed
    breath = rng.normal(0, 0.035)  # below 0: breathed out, lungs small and dense
    film, lungs = _chest(person, u, v, breath)
    film += _bones(person, u, v, lungs)
    film += lungs * _inside(person, u, v, breath, rng)
    film = gaussian_filter(film, 0.7)
    level = 0.5 + (film - 0.52) * person.contrast * rng.lognormal(0, 0.06) + person.exposure + rng.normal(0, 0.015)
    level += rng.normal(0, person.grain, level.shape).astype(np.float32)
    _mark(level, person, height, width)
    return np.rint(255 * np.clip(level, 0.02, 1)).astype(np.uint8)


def _step(x: np.ndarray, width: float) -> np.ndarray:
    """Return a smooth step from 0 (x far below 0) to 1."""
    return 0.5 + 0.5 * np.tanh(x / width)


def _chest(person: Person, u: np.ndarray, v: np.ndarray, breath: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the film of soft parts, and how much lung there is at each point, 0 to 1, both [H, W]."""
    side = np.abs(u)
    trunk = person.chest + 0.07 + 0.28 * _step(-v - 0.62, 0.10)  # shoulders are wider
    body = _step(trunk + 0.03 - side, 0.035)
    base = person.base + breath - 0.10 * np.cos((side - 0.42) * 4.2) + 0.10 - 0.03 * (u < 0)  # the liver lifts one side
    depth = np.clip((v - person.apex) / (person.base - person.apex), 0, 1)  # 0 at the apex
    outer = person.chest * (0.26 + 0.74 * np.sqrt(1 - (1 - depth) ** 2))
    hilum = 0.05 * np.exp(-(((v + 0.05) / 0.22) ** 2))
    lungs = _step(outer - side, 0.03) * _step(side - person.gap - hilum, 0.03)
    lungs *= _step(base - v, 0.025) * _step(v - person.apex, 0.03)
    u1, v1, across, down = person.heart
    lower = v - v1 - 0.5 * breath
    waist = across * np.clip(1 + 0.8 * lower, 0.3, 1.15)  # the heart's left border leans outwards
    heart = _step(1 - ((u - u1) / waist) ** 2 - (lower / down) ** 2, 0.28)
    lungs *= 1 - 0.93 * heart
    spine = np.exp(-((u / 0.085) ** 2))
    film = body * (0.54 + 0.10 * _step(v - base, 0.05) + 0.14 * spine + 0.05 * heart)
    film += 0.07 * body * np.exp(-(((u - 0.01) / (person.gap + 0.04)) ** 2))
    film -= 0.10 * np.exp(-((u / 0.035) ** 2)) * _step(-0.35 - v, 0.08)  # the windpipe
    return (film - 0.36 * lungs + 0.02).astype(np.float32), lungs.astype(np.float32)


def _bones(person: Person, u: np.ndarray, v: np.ndarray, lungs: np.ndarray) -> np.ndarray:
    """Return what ribs and clavicles add, [H, W]."""
    spacing, first, sag, strength = person.ribs
    side = np.abs(u) / person.chest
    cage = _step(1.06 - side, 0.03) * _step(v - person.apex + 0.02, 0.04) * _step(0.75 - v, 0.06)
    behind = (v - first - sag * side * (1.5 - side)) / spacing
    ahead = (v - first + 0.9 * sag * side**2) / (1.2 * spacing)
    ribs = np.clip(np.cos(2 * np.pi * behind), 0, None) ** 1.5 + 0.4 * np.clip(np.cos(2 * np.pi * ahead), 0, None) ** 3
    edge = np.exp(-(((side - 0.97) / 0.05) ** 2))
    height, slope = person.clavicle
    line = (v - height - slope * np.abs(np.abs(u) - 0.12)) / 0.032
    clavicle = np.exp(-(line**2)) * _step(np.abs(u) - 0.08, 0.03) * _step(0.80 - np.abs(u), 0.05)
    return (strength * ribs * cage * (0.30 + 0.70 * lungs + 0.6 * edge) + 0.13 * clavicle).astype(np.float32)


def _inside(person: Person, u: np.ndarray, v: np.ndarray, breath: float, rng: np.random.Generator) -> np.ndarray:
    """Return what vessels and pneumonia add inside the lungs, [H, W]."""
    side = np.abs(u)
    near = np.exp(-(((side - person.gap) / 0.26) ** 2) - (((v - 0.02) / 0.42) ** 2))  # around the hila
    shape = (u + v).shape
    pattern = gaussian_filter(_stretched(person.texture, shape), 0.8) + 0.25 * rng.standard_normal(shape)
    inside = person.vessels * near * (1.1 + 0.9 * pattern) + 0.018 * pattern - 0.25 * breath
    lung, height, across, down = person.focus
    spot = ((u - lung * 0.44) / across) ** 2 + ((v - height) / down) ** 2
    lobe = _step(1.0 + 0.35 * pattern - spot, 0.55) * 0.42
    cloud = (0.17 + 0.07 * np.clip(pattern, -1, 2)) * (0.55 + 0.9 * near)
    lobar = {"bacteria": 0.9, "virus": 0.15}.get(person.cause, 0.45)
    severity = np.clip(person.severity + rng.normal(0, 0.04), 0, 1)
    return (inside + severity * (0.06 + lobar * lobe + (1 - lobar) * 1.5 * cloud)).astype(np.float32)


def _stretched(pattern: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return a pattern drawn out to the size of an image."""
    return zoom(pattern, (shape[0] / pattern.shape[0], shape[1] / pattern.shape[1]), order=1)


def _mark(level: np.ndarray, person: Person, height: int, width: int) -> None:
    """Put the laterality mark into an upper corner."""
    left, top, tall = int((1 + person.mark) / 2 * (width - 8)), int(0.07 * height), 9
    level[top : top + tall, left : left + 2] = 0.97
    level[top + (0 if person.mark < 0 else tall - 2) :, left : left + 6][:2] = 0.97
