"""The generators of synthetic records by name."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Generator:
    """A way to make synthetic records.

    Attributes:
        label: as the field writes it.
        kind: what it makes, a key of `KINDS`.
        control: what it shows, for one that nobody would release; empty for the others.
        guaranteed: it has an epsilon of its own.
        package: it is another package's, which makes all of its generators in one job.
        module: that fits it, of its kind's package, where that is not its own name.
    """

    label: str
    kind: str = "table_generator"
    control: str = ""
    guaranteed: bool = False
    package: str = ""
    module: str = ""


GENERATORS = {
    "marginals": Generator("Independent marginals", control="floor: nothing but each column by itself"),
    "bootstrap": Generator("Bootstrap copy", control="control: rows of patients as they are"),
    "outlier_copies": Generator("Near-outlier copier", control="control: copies those who stand out"),
    "copula": Generator("Gaussian copula"),
    "cart": Generator("Sequential trees"),
    "gan": Generator("GAN"),
    "diffusion": Generator("Diffusion"),
    "dp_gan": Generator("DP-CTGAN", guaranteed=True),
    "dp_gan_layers": Generator("DP-CTGAN, noise by layer", guaranteed=True, module="dp_gan"),
    "pate_gan": Generator("PATE-GAN", guaranteed=True),
    "mst": Generator("MST", guaranteed=True),
    "aim": Generator("AIM", guaranteed=True),
    "pixel_gaussian": Generator(
        "Independent pixels", control="floor: nothing but each class's mean and spread", kind="image_generator"
    ),
    "noisy_copies": Generator(
        "Copies with noise", control="control: members' images", kind="image_generator", module="copies"
    ),
    "moved_copies": Generator(
        "Moved copies", control="control: members' images, moved", kind="image_generator", module="copies"
    ),
    "dcgan": Generator("DCGAN", kind="image_generator"),
    "image_diffusion": Generator("Diffusion of images", kind="image_generator", module="diffusion"),
    "dp_dcgan": Generator("DP-DCGAN", kind="image_generator", guaranteed=True),
    "dp_merf": Generator("DP-MERF", kind="image_generator", guaranteed=True),
    "sdv_copula": Generator("SDV’s Gaussian copula", package="sdv"),
    "sdv_ctgan": Generator("SDV’s CTGAN", package="sdv"),
    "sdv_tvae": Generator("SDV’s TVAE", package="sdv"),
}
LICENCES = {"sdv": dict.fromkeys(("sdv", "ctgan", "copulas", "rdt"), "BUSL-1.1")}  # SPDX ids, by package of generators
