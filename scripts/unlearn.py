"""Make a bank's replicates forget patients by one method."""

from pathlib import Path

from medpriv.workflow.job import job
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.files import write_json
from medpriv.unlearning.catalogue import unlearn

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    bank = Bank.load(Path(snakemake.input.bank[0]).parent)
    whom = {"patients": params.patients, "replicates": params.replicates}
    derived, seconds = unlearn(dataset, bank, snakemake.wildcards.method, params.settings, params.seed, **whom)
    derived.save(Path(snakemake.output.bank).parent)
    write_json(snakemake.log.timing, {"seconds": seconds, "models": len(derived)})
