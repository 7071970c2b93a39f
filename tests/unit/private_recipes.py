"""Settings of generators with differential privacy, as `medpriv.treatments.synthetic` hands them on."""

from medpriv.config.section import Section


def private_recipe(kind: type[Section], epsilon: float = 1.0, delta: float | None = None, **changed: object) -> dict:
    """Return a recipe of the config with the guarantee, which the config states for all such generators."""
    return kind(**changed).model_dump() | {"epsilon": epsilon, "delta": delta}
