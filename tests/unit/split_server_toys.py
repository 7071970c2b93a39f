"""Split banks of toys, for the tests of attacks at the cut."""

from functools import cache

from made_up_banks import training_spec
from test_treatments_baseline import RECIPES, toy_dataset
from test_treatments_split import SETTINGS

from medpriv.attacks.split_server.context import SplitAttackContext, build_context
from medpriv.attacks.split_server.scores import ReconstructionScorer
from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.config.split_server import SplitServerSettings
from medpriv.dataset import Dataset
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.seeds import generator
from medpriv.treatments.split import train

CUT = SplitServerSettings(replicates=2, records=40, bootstraps=50, fsha_updates=150, fsha_pilot_steps=300).model_dump()
REPLICATES = 6


@cache
def toy_bank(variant: str = "vanilla", cut: int = 1, patients: int = 40, **changes) -> tuple[Dataset, Bank]:
    """Return a table of two classes and a bank split over one site."""
    dataset = toy_dataset("mlp", patients)
    recipe = RECIPES["mlp"] | {"hidden": [32, 8]}
    return dataset, train(
        dataset,
        training_spec(f"split-{variant}-cut{cut}", "mlp", recipe, SETTINGS[variant] | changes),
        Draw(range(REPLICATES), 6, 1),
    )


def toy_context(variant: str = "vanilla", cut: int = 1, **changes) -> SplitAttackContext:
    """Return the stage of a toy bank."""
    return build_context(*toy_bank(variant, cut, **changes), CUT, seed=1)


def toy_scorer(context: SplitAttackContext) -> ReconstructionScorer:
    """Return what makes measures of it."""
    draws = PatientBootstrap.draw(generator(0), len(context.dataset.patients), 50, len(context.replicates))
    return ReconstructionScorer(context, context.split.treatment, draws)
