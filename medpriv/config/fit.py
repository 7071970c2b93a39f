"""Which parts of a dataset's section fit together: networks and records, strategies and sites, cuts and layers.

What doesn't fit is told by the config's check, before anything runs; a job would find it only hours later. Looked at
is the section alone: what hangs on the data (how many patients a site has) is left to the jobs.
"""

from collections.abc import Iterator
from typing import Any

from medpriv.catalogue.networks import NETWORKS, networks
from medpriv.catalogue.treatments import STRATEGIES

OWN = ("table", "images")  # formats of users' own data, where a setting names the column of the sites
PLURAL = {"table": "tables", "signal": "signals", "image": "images"}
ONE_SITE = ("cinc2017", "mimic3admissions", "pneumonia")  # formats whose records say nothing of a site


def misfits(section: Any) -> list[str]:
    """Return one line for each part of a dataset's section (a `DatasetSettings`) that doesn't fit the others."""
    return [
        fault for check in (_networks, _shifted, _defences, _strategies, _cuts, _synthetic) for fault in check(section)
    ]


def _defences(section: Any) -> Iterator[str]:
    """Defences against attacks that the records don't meet."""
    robust = getattr(section, "robust", None)
    if robust and robust.defences.sap and section.modality != "signal":
        yield "robust.defences.sap trains against changes that are smooth in time: for signals alone, take it out"


def _synthetic(section: Any) -> Iterator[str]:
    """Generators of what the records are not."""
    if section.synthetic and section.modality in ("signal", "text"):
        yield f"synthetic makes tables, and these are {PLURAL[section.modality]}: take it out"


def _networks(section: Any) -> Iterator[str]:
    """Baselines that cannot read the records."""
    for model, recipe in section.baselines:
        wanted = NETWORKS[model].modality
        if recipe is not None and wanted != section.modality:
            fit = _or(networks(section.modality))
            yield f"baselines.{model} is for {PLURAL[wanted]}, and these are {PLURAL[section.modality]}: use {fit}"


def _shifted(section: Any) -> Iterator[str]:
    """Networks that learn rotated records, under treatments that don't rotate any."""
    for part in ("federated", "split"):
        chosen = getattr(section, part)
        if chosen and getattr(getattr(section.baselines, chosen.model), "shift", False):
            yield f"{part} doesn't rotate records as baselines.{chosen.model}.shift asks: build it on a network without"


def _strategies(section: Any) -> Iterator[str]:
    """Strategies by site where there is one site."""
    federated = section.federated
    if not federated or federated.partition.group is not None or not _one_site(section):
        return
    if named := [name for name, settings in federated.strategies if settings and not STRATEGIES[name].deals]:
        column = "name the column of the sites under preprocess.site, " if section.format in OWN else ""
        yield (
            f"federated.strategies: {', '.join(named)} {'needs' if len(named) == 1 else 'need'} sites, and all "
            f"records are of one: {column}part the patients by an attribute (federated.partition.group), or use `iid` "
            "or `dirichlet`, which deal them out"
        )


def _one_site(section: Any) -> bool:
    if section.format == "heart":
        made = section.raw.simulated.patients if section.raw.source == "simulated" else ()
        return len(section.preprocess.hospitals or made) == 1
    return section.format in ONE_SITE or (section.format in OWN and section.preprocess.site is None)


def _cuts(section: Any) -> Iterator[str]:
    """Cuts of split learning where the network has none."""
    if not section.split:
        return
    model = section.split.model
    for variant, settings in section.split.variants:
        cuts = getattr(section.baselines, model).cuts(keep_head=variant == "ushaped")
        for cut in settings.cuts if settings else ():
            if cut not in cuts:
                remedy = f"use {_or(list(map(str, cuts)))}" if cuts else "take a network of more layers"
                yield f"split.variants.{variant}.cuts: {model} can't be cut after layer {cut}: {remedy}"


def _or(names: list[str] | tuple[str, ...]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
