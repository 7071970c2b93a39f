"""Banks of generators of synthetic records: which, how many, and what they release."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from medpriv.catalogue.generators import GENERATORS
from medpriv.config.section import Count, Epsilon, Fraction, Section
from medpriv.config.synthetic_images import (
    DcganSettings,
    DpDcganSettings,
    DpMerfSettings,
    ImageDiffusionSettings,
    MovedCopiesSettings,
    NoisyCopiesSettings,
)
from medpriv.config.synthetic_marginals import AimSettings, MstSettings
from medpriv.config.synthetic_neural import (
    DiffusionSettings,
    DpGanLayersSettings,
    DpGanSettings,
    GanSettings,
    PateGanSettings,
)
from medpriv.config.synthetic_sdv import SdvSettings
from medpriv.config.synthetic_simple import CartSettings, OutlierCopiesSettings, Recipe

Variation = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]*$")]


def varied(recipe: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe with the settings of a variation, of its sections as well."""
    return dict(recipe) | {
        name: varied(recipe[name], value) if isinstance(recipe.get(name), Mapping) else value
        for name, value in changed.items()
    }


class Generators(Section):
    """The generators; leave one out to skip it."""

    marginals: Recipe | None = Field(None, description="each column by itself: the floor")
    bootstrap: Recipe | None = Field(None, description="rows drawn with replacement: a control that must fail")
    outlier_copies: OutlierCopiesSettings | None = Field(
        None, description="a copula, with near copies of those who stand out: a control that passes by distance alone"
    )
    copula: Recipe | None = Field(None, description="Gaussian copula")
    cart: CartSettings | None = Field(None, description="sequential trees, as synthpop grows them")
    gan: GanSettings | None = Field(None, description="our own conditional tabular GAN")
    diffusion: DiffusionSettings | None = Field(None, description="tabular diffusion")
    dp_gan: DpGanSettings | None = Field(None, description="a GAN with a critic under differential privacy")
    dp_gan_layers: DpGanLayersSettings | None = Field(None, description="the same, clipped and noised layer by layer")
    pate_gan: PateGanSettings | None = Field(None, description="PATE-GAN")
    mst: MstSettings | None = Field(None, description="noisy marginals on a tree of pairs")
    aim: AimSettings | None = Field(None, description="noisy marginals, chosen where the model errs most")
    sdv: SdvSettings | None = Field(None, description="SDV's Gaussian copula, CTGAN and TVAE, made together")


class SyntheticBanks(Section):
    """Banks of generators, whatever they make; `generators` is the modality's own."""

    replicates: Annotated[int, Field(ge=2)] = Field(16, description="replicates of each, at most the bank's K")
    released: Count = Field(5, description="records that a replicate releases, in multiples of those it was fitted on")
    epsilons: Annotated[list[Epsilon], Field(min_length=1)] = Field(
        [1.0, 8.0], description="the guarantees to fit generators with differential privacy for"
    )
    delta: Fraction | None = Field(
        None, description="their delta, below 1/n; empty: 1/(10 n) rounded down to a digit, n a replicate's patients"
    )
    variations: dict[str, dict[Variation, dict[str, Any] | None]] = Field(
        default_factory=dict,
        description="further banks of a generator, under names of their own: by generator and name, what differs",
    )

    @model_validator(mode="after")
    def _different_epsilons(self) -> "SyntheticSettings":
        names = [f"{value:g}" for value in self.epsilons]
        if len(set(names)) < len(names):
            raise ValueError(f"epsilons {', '.join(names)} are not all different to six digits")
        return self

    @model_validator(mode="after")
    def _variations_of_what_is_there(self) -> "SyntheticSettings":
        for generator, variations in self.variations.items():
            if named := [name for name in variations if name.startswith("eps")]:
                raise ValueError(f"variations.{generator}.{named[0]}: such names are those of guarantees, use another")
            if generator not in GENERATORS or GENERATORS[generator].guaranteed or GENERATORS[generator].package:
                raise ValueError(
                    f"variations.{generator}: only our own generators without a guarantee have variations (those with "
                    "one are varied by `epsilons`)"
                )
            if (recipe := getattr(self.generators, generator, None)) is None:
                raise ValueError(f"variations of {generator}, which `generators` doesn't fit: add it there")
            for name, changed in variations.items():
                try:
                    type(recipe).model_validate(varied(recipe.model_dump(), changed or {}))
                except ValidationError as error:
                    fault = error.errors()[0]
                    place = ".".join(map(str, fault["loc"]))
                    raise ValueError(f"variations.{generator}.{name}: {place}: {fault['msg']}") from error
        return self


class SyntheticSettings(SyntheticBanks):
    """Banks of generators of synthetic tables."""

    generators: Generators = Field(default_factory=Generators, description="what to fit, and how")


class ImageGenerators(Section):
    """The generators of images; leave one out to skip it."""

    pixel_gaussian: Recipe | None = Field(None, description="each pixel by itself, by class: the floor")
    noisy_copies: NoisyCopiesSettings | None = Field(None, description="members with noise: a control that must fail")
    moved_copies: MovedCopiesSettings | None = Field(
        None, description="members moved or flipped: a control that comparing pixels doesn't find"
    )
    dcgan: DcganSettings | None = Field(None, description="DCGAN")
    image_diffusion: ImageDiffusionSettings | None = Field(None, description="a small diffusion model")
    dp_dcgan: DpDcganSettings | None = Field(
        None, description="a DCGAN with a discriminator under differential privacy"
    )
    dp_merf: DpMerfSettings | None = Field(None, description="DP-MERF: one noisy mean of random features")


class ImageSyntheticSettings(SyntheticBanks):
    """Banks of generators of synthetic images."""

    replicates: Annotated[int, Field(ge=2)] = Field(4, description="replicates of each, at most the bank's K")
    released: Count = Field(1, description="images that a replicate releases, in multiples of those it was fitted on")
    generators: ImageGenerators = Field(default_factory=ImageGenerators, description="what to fit, and how")
