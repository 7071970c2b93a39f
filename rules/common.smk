# What the rules share: the checked config, what it asks for, and code as an input.

import os
import sys
from functools import partial
from pathlib import Path

from medpriv.catalogue.attacks import FAMILIES
from medpriv.errors import InputError
from medpriv.workflow import settings
from medpriv.workflow.artefacts import (
    Artefacts,
    bank_kinds,
    families_on,
    folder_of,
    generator_files,
    is_sharded,
    own_generators,
    package_generators,
    settings_of_others,
    tables_of,
    trainer_of,
    use_tables,
)
from medpriv.workflow.code import code_files
from medpriv.workflow.environment import fix_environment
from medpriv.workflow.finish import finish_run
from medpriv.workflow.guard import follow_starter
from medpriv.workflow.overlay import read_config, unknown_nulls
from medpriv.workflow.scheduling import lift_default_limit
from medpriv.workflow.targets import TARGETS, check_targets

ROOT = Path(workflow.basedir)
fix_environment(ROOT)
follow_starter()

try:
    CONFIG = settings.effective_config(
        config,
        " over ".join(os.path.relpath(file, ROOT) for file in workflow.configfiles),
        ROOT,
        unknown_nulls([read_config(Path(file)) for file in reversed(workflow.configfiles)]),
    )
except InputError as error:
    sys.exit(str(error))
try:
    LOCAL_FILES = settings.local_files(CONFIG)
except InputError as error:  # an overlay's run lies below the project's folder, from which the user knows the file
    sys.exit(str(error).removeprefix(f"{os.path.relpath(ROOT)}/"))

ARTEFACTS = Artefacts(CONFIG)

setting = settings.setting_of(CONFIG)
recipe_of = partial(settings.recipe_of, CONFIG)
layers_of = partial(settings.layers_of, CONFIG)
of_dataset = partial(settings.of_dataset, CONFIG)
of_family = partial(settings.of_family, CONFIG)
base_of = ARTEFACTS.base_of
base_of_language = ARTEFACTS.base_of_language
tuned_to_forget = ARTEFACTS.tuned_to_forget
files_of_bank = ARTEFACTS.files_of_bank
reference_of_bank = ARTEFACTS.reference_of_bank
replicates_of_bank = ARTEFACTS.replicates_of_bank
replicates_of_shard = ARTEFACTS.replicates_of_shard
shards_of_bank = ARTEFACTS.shards_of_bank
unlearned_by = ARTEFACTS.unlearned_by
personal_banks = ARTEFACTS.personal_banks
federation_of = partial(settings.federation_of, CONFIG)
private_of = partial(settings.private_of, CONFIG)
synthesis_of = partial(settings.synthesis_of, CONFIG)
raw_of = partial(settings.raw_of, CONFIG)
if_simulated = partial(settings.if_simulated, CONFIG)


wildcard_constraints:
    **ARTEFACTS.wildcards(),
    shard=r"\d+",
    shards=r"\d+",


def code_deps(*patterns):
    """Return an input function: the files that a job runs, those named (wildcards allowed) and all they import."""

    def files(wildcards):
        form = CONFIG["datasets"][wildcards.dataset]["format"] if "dataset" in wildcards.keys() else ""
        named = [pattern.format(format=form, **dict(wildcards.items())) for pattern in patterns]
        return [os.path.relpath(file) for file in code_files(ROOT, *named)]

    return files
