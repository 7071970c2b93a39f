"""The names that `TARGET` may have."""

import pytest

from medpriv.errors import InputError
from medpriv.workflow.targets import check_targets

RULES = ["all", "train_baselines", "attack_banks", "raw-heart", "attacks-heart", "attacks-mitdb"]


def test_rules_stages_and_files_pass() -> None:
    check_targets(["attacks-heart", "train_baselines", "results/raw/heart/manifest.json"], RULES)
    check_targets([], RULES)


@pytest.mark.parametrize(
    ("target", "near"),
    [
        ("attack-heart", ": attacks-heart, perhaps"),
        ("train_baseline", ": train_baselines, perhaps"),
        ("x-mitdb", ": attacks-mitdb, perhaps"),
        ("nothing", "the dataset has; "),
    ],
)
def test_an_unknown_name_is_refused_with_those_near_it_and_where_all_stand(target: str, near: str) -> None:
    with pytest.raises(InputError, match=f"no target {target} in this run") as caught:
        check_targets(["all", target], RULES)
    assert near in caught.value.remedy and "make report ARGS=--list-rules" in caught.value.remedy
