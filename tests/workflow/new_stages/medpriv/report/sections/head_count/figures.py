"""What a toy family found on a dataset itself."""

from collections.abc import Sequence

from medpriv.report.comparison import Headline
from medpriv.report.results import Results
from medpriv.report.section import Section


def collect(results: Results, headlines: Sequence[Headline]) -> list[tuple[str, int]]:
    """Return every dataset with its patients."""
    return [(audit.dataset, int(audit.measures[0].value)) for audit in results.audits_of("head_count")]


SECTION = Section("head_count", "head-count", "How many?", "Head count", collect, families=("head_count",))
