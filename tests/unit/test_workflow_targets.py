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


RELEASES = {
    ("heart", "synthetic-cart"): "",
    ("heart", "synthetic-marginals"): "",
    ("heart", "synthetic-bootstrap"): "control: rows of patients as they are",
}


def test_a_release_that_can_be_passes() -> None:
    check_targets(
        ["released/heart/synthetic-cart/data_card.md", "released/heart/synthetic-cart/table.csv"], [], RELEASES
    )


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("heart/synthetic-bootstrap/table.csv", "synthetic-bootstrap is a control: rows of patients as they are. Its"),
        (
            "heart/synthetic-carts/data_card.md",
            "no bank heart/synthetic-carts .*name released/heart/synthetic-cart/",
        ),
        (
            "hart/synthetic-cart/data_card.md",
            "no bank hart/synthetic-cart .*name released/heart/synthetic-cart/",
        ),
        ("heart/synthetic-cart/card.md", "no file 'card.md'.*name one of table.csv, data_card.md, croissant.json"),
        ("heart", "no bank heart/ "),
    ],
)
def test_a_release_that_cannot_or_must_not_be_is_refused_with_one_that_may(target: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        check_targets([f"released/{target}"], [], RELEASES)
    with pytest.raises(InputError, match=r"add a generator under `synthetic\.generators`"):
        check_targets([f"released/{target}"], [])
