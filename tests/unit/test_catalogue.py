"""The catalogue: names that come apart and together again, and what the default run is made of."""

from dataclasses import replace
from pathlib import Path

import pytest

from medpriv.catalogue.attacks import (
    ATTACKS,
    BANK,
    DATASET,
    FAMILIES,
    FIGURES,
    PATIENTS,
    UNLEARNED,
    Attack,
    Family,
    check_families,
    families_of_bank,
    families_of_dataset,
)
from medpriv.catalogue.generators import GENERATORS
from medpriv.catalogue.networks import NETWORKS, networks
from medpriv.catalogue.treatments import TREATMENTS, Spec, Treatment, check_treatments, spec_of, specs_of
from medpriv.config.check import check_config
from medpriv.workflow.overlay import read_config

DATASETS = check_config(read_config(Path(__file__).parents[2] / "config.yaml"))["datasets"]


@pytest.mark.parametrize(
    ("name", "word", "parts"),
    [
        ("baseline-cnn_gn", "baseline", {"model": "cnn_gn"}),
        ("dp-sgd-mlp-eps8", "dp", {"mechanism": "sgd", "model": "mlp", "epsilon": 8.0}),
        ("dp-output-logistic-eps0.5", "dp", {"mechanism": "output", "model": "logistic", "epsilon": 0.5}),
        ("dp-sgd-mlp-eps1e-05", "dp", {"mechanism": "sgd", "model": "mlp", "epsilon": 1e-5}),
        ("fed-sample_dp", "fed", {"strategy": "sample_dp"}),
        ("split-ushaped-cut1", "split", {"topology": "ushaped", "cut": 1}),
        ("unlearned-cf_k", "unlearned", {"method": "cf_k"}),
        ("unlearned-cf_k-personal", "unlearned-personal", {"method": "cf_k"}),
    ],
)
def test_names_come_apart_and_together_again(name: str, word: str, parts: dict) -> None:
    assert spec_of(name) == Spec(word, parts)
    assert Spec(word, parts).name == name


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(KeyError, match="gan-heart"):
        spec_of("gan-heart")


def test_every_bank_of_the_default_run_has_a_name_of_its_own_that_comes_apart() -> None:
    for section in DATASETS.values():
        specs = specs_of(section)
        assert [spec_of(spec.name) for spec in specs] == specs
        assert len({spec.name for spec in specs}) == len(specs)


def test_what_a_bank_faces_follows_from_its_treatment_its_records_and_its_network() -> None:
    heart, mitdb = DATASETS["heart"], DATASETS["mitdb"]

    def faced(name: str, modality: str, section: dict) -> list[str]:
        return [family.name for family in families_of_bank(spec_of(name), modality, section)]

    assert faced("baseline-mlp", "table", heart) == ["membership", "attribute"]
    assert faced("baseline-forest", "table", heart) == ["membership"]
    assert faced("dp-sgd-mlp-eps8", "table", heart) == ["membership", "epsilon", "attribute"]
    assert faced("fed-sample_dp", "table", heart) == ["membership", "epsilon", "federated_server", "attribute"]
    assert faced("fed-local", "table", heart) == ["membership", "attribute"]
    assert faced("robust-noise", "signal", mitdb) == ["membership", "evasion", "smoothing"]
    assert faced("split-vanilla-cut1", "table", heart) == ["membership", "split_server", "attribute"]


def test_names_of_attacks_are_those_of_one_family() -> None:
    assert len(ATTACKS) == sum(len(family.attacks) for family in FAMILIES.values())
    assert {treatment.stage for treatment in TREATMENTS.values()} >= {"baselines", "private", "unlearned"}


def test_networks_by_what_they_can() -> None:
    assert networks("table") == ("logistic", "mlp", "forest", "boosting")
    assert networks("table", gradients=False) == ("forest", "boosting")
    assert set(networks(layered=True)) == {"logistic", "mlp", "cnn", "cnn_gn", "cnn2d"}
    assert set(NETWORKS) == set(networks())


# --- entries that nothing would carry out ---------------------------------------------------------------------------

TOY = Family("toy", BANK, "auc", {"toy-one": Attack("One")}, keys=("attacks.toy",))


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"subject": "patient"}, "subject patient"),
        ({"keys": ()}, "keys are empty"),
        ({"attacks": {}}, "no attacks or no measures"),
        ({"told": " "}, "no attacks or no measures"),
        ({"subject": DATASET, "joint": True}, "joint"),
        ({"tables": {"rows": "rows of patients"}}, "table rows holds 'rows of patients'"),
        ({"tables": {"measures": FIGURES}}, "table measures"),
    ],
)
def test_a_family_that_no_job_could_carry_out_is_refused(changed: dict, problem: str) -> None:
    with pytest.raises(ValueError, match=f"catalogue/attacks.py: family toy: .*{problem}"):
        replace(TOY, **changed)


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        (replace(TOY, name="membership"), "two families are called membership"),
        (replace(TOY, attacks={"linkage-join": Attack("Join")}), "two families have an attack linkage-join"),
        (replace(TOY, subject=UNLEARNED), "two families attack unlearned"),
    ],
)
def test_families_in_each_others_way_are_refused(second: Family, problem: str) -> None:
    known = list(FAMILIES.values())
    check_families([*known, TOY, replace(TOY, name="other", subject=DATASET, attacks={"other-one": Attack("One")})])
    with pytest.raises(ValueError, match=problem):
        check_families([*known, second])
    with pytest.raises(ValueError, match="generator models: no family release"):
        check_families([family for family in known if family.name != "release"])


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"word": "fed"}, "two treatments are called fed"),
        ({"form": "baseline-{model}-cut{cut}"}, None),
        ({"form": "baseline-mine"}, "toy: baseline-mine would be read as baseline"),
        ({"form": "split-{how}-cut{cut}"}, "toy: split-x-cut1 would be read as split"),
        ({"kind": "oracle"}, "toy: no kind oracle"),
        ({"origin": "oracle"}, "toy: no origin oracle"),
    ],
)
def test_treatments_that_cannot_be_told_apart_are_refused(changed: dict, problem: str | None) -> None:
    toy = replace(Treatment("toy", "toy", "toy", "a toy", "toy-{model}", lambda section: iter(())), **changed)
    known = list(TREATMENTS.values())
    if problem is None:
        check_treatments([*known, toy])
    else:
        with pytest.raises(ValueError, match=problem):
            check_treatments([*known, toy])


def test_a_generator_of_no_known_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(GENERATORS, "oracle", replace(GENERATORS["cart"], kind="oracle"))
    with pytest.raises(ValueError, match="generator oracle: no kind oracle"):
        check_treatments(list(TREATMENTS.values()))


def test_a_form_that_takes_the_names_of_a_later_one_is_refused() -> None:
    known = sorted(TREATMENTS.values(), key=lambda treatment: treatment.word != "synthetic-varied")
    with pytest.raises(ValueError, match=r"synthetic-dp: synthetic-x-eps1.5 would be read as synthetic-varied"):
        check_treatments(known)


def test_what_a_dataset_itself_faces_follows_from_its_records() -> None:
    assert [family.name for family in families_of_dataset("table", DATASETS["heart"])] == ["linkage"]
    assert families_of_dataset("signal", DATASETS["mitdb"]) == []


def test_tables_with_a_row_a_patient_are_marked() -> None:
    told = {f"{family.name}/{name}" for family in FAMILIES.values() for name in family.tables}
    figures = {
        f"{family.name}/{name}" for family in FAMILIES.values() for name, on in family.tables.items() if on == FIGURES
    }
    rocs = {f"{family}/roc" for family in ("membership", "release", "image_release", "language")}
    assert figures == {*rocs, "linkage/criteria", "language_canaries/canaries"} and figures < told
    assert FAMILIES["personalization"].tables == {"patients": PATIENTS, "exposure": PATIENTS}
