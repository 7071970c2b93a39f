"""The report stage: read every stage's tables, write the comparison in five forms.

This module reads and writes files and decides nothing: `inputs` reads the folders, `comparison` chooses the headline
figures, `words` puts them into sentences, `figures` draws, `page` fills the template. None of them imports torch.
"""

from collections.abc import Mapping
from pathlib import Path


def build_report(
    datasets: Mapping[str, Path],
    banks: Mapping[tuple[str, str], Path],
    attacks: Mapping[tuple[str, str, str], Path],
    benchmarks: Mapping[tuple[str, str, str], Path],
    config: dict,
    destination: Path,
) -> None:
    """Write `index.html`, `comparison.csv`, `costs.csv`, `metrics.json` and `figures/` into `destination`.

    Args:
        datasets: dataset -> folder with `dataset.json` and `dataset.safetensors`.
        banks: (dataset, treatment) -> folder with `bank.json`, `utility.csv` and `reliability.csv`. Order of rows on the page.
        attacks: (dataset, treatment, family) -> folder with `measures.csv` and what else the family writes
            (`membership`: `roc.csv`, `exposure.csv`; `evasion`: `examples.csv`). A dataset without a family is fine.
        benchmarks: (stage, dataset, name) -> Snakemake benchmark file; the name is the treatment, or the treatment and
            what was done to it joined by "/" (`baseline-cnn/0-of-2`, `baseline-cnn/membership`). Missing files are left out.
        config: the whole checked config, printed on the page; `seed` and `attacks` are read from it.
        destination: `results/report`.

    Same inputs, same bytes, apart from `costs.csv` and the block of the page between `<!-- measured:begin -->` and
    `<!-- measured:end -->`, which hold what the benchmark files measured.
    """
    raise NotImplementedError
