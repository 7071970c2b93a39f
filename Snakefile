"""medpriv: from raw data to the comparison report. Stages stand in rules/, in the order data flows."""

import sys

sys.path.insert(0, workflow.basedir)


configfile: f"{workflow.basedir}/config.yaml"


include: "rules/common.smk"


rule all:
    """The report, and so everything before it."""
    input:
        "results/report/index.html",
        # An input of the report that no rule can make would go unsaid where the report is there already.
        ARTEFACTS.tables_of_use(),
        ARTEFACTS.tables_of_attacks(),
    localrule: True


include: "rules/raw.smk"
include: "rules/preprocessed.smk"
include: "rules/banks.smk"
include: "rules/baselines.smk"
include: "rules/robust.smk"
include: "rules/personalized.smk"
include: "rules/unlearned.smk"
include: "rules/private.smk"
include: "rules/federated.smk"
include: "rules/split.smk"
include: "rules/synthetic.smk"
include: "rules/language.smk"
include: "rules/attacks.smk"
include: "rules/report.smk"
include: "rules/targets.smk"


onstart:
    lift_default_limit(workflow.scheduler)


onsuccess:
    finish_run(ROOT, config, workflow.dag)
