"""What a toy family found on toy language models."""

from collections.abc import Sequence

from medpriv.measures.table import Measure
from medpriv.report.comparison import Headline
from medpriv.report.results import Results
from medpriv.report.section import Section


def collect(results: Results, headlines: Sequence[Headline]) -> list[tuple[str, Measure]]:
    """Return every bank with its gap."""
    return [(bank.key, item) for bank in results.banks for item in bank.attacks.select("gap", attack="recitation-")]


SECTION = Section("recitation", "recitation", "Likelier for members?", "Recitation", collect, families=("recitation",))
