"""Which models a run attacked by smooth adversarial perturbation, without a defence: the section on it is of these."""

from collections.abc import Sequence

from medpriv.report.comparison import Headline

ATTACK = "evasion-sap"


def attacked_by_sap(headlines: Sequence[Headline]) -> list[Headline]:
    """Return the undefended models that were attacked by SAP."""
    undefended = (item for item in headlines if item.result.treatment.startswith("baseline-"))
    return [item for item in undefended if any(row.attack == ATTACK for row in item.result.attacks)]
