"""Make personalised models forget some of the beats they adapted to by one method."""

from pathlib import Path

from medpriv.workflow.job import job
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.files import write_json
from medpriv.unlearning.catalogue import unlearn_personal

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    bank = Bank.load(Path(snakemake.input.bank[0]).parent)
    personalized = Bank.load(Path(snakemake.input.personalized[0]).parent)
    how = (snakemake.wildcards.method, params.settings, params.seed)
    derived, seconds = unlearn_personal(dataset, bank, personalized, *how, share=params.share)
    derived.save(Path(snakemake.output.bank).parent)
    write_json(snakemake.log.timing, {"seconds": seconds, "models": len(derived)})
