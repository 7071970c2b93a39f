"""What the report says of private, federated and split banks and of tables: no more than the intervals allow."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_results import as_artefacts, of_patients, write_results
from made_up_tables import (
    END,
    PRIVATE,
    SECRET,
    SECURE,
    SITES,
    START,
    add_tables,
    attribute,
    cut,
    epsilon,
    finding,
    linkage,
    membership,
    server,
    utility,
)
from written_sections import Written, cells, write

from medpriv.attacks.split_server.audit import RECONSTRUCTIONS
from medpriv.errors import InputError
from medpriv.files import read_csv, read_json, write_csv
from medpriv.measures.table import NAN, Measure, write_measures
from medpriv.report.build import build_report
from medpriv.report.comparison import Headline, choose_headline
from medpriv.report.differences import paired_difference
from medpriv.report.labels import attack_name
from medpriv.report.layout import Table
from medpriv.report.results import Audit, Cohort, Measures, Result, read_audit, read_result
from medpriv.report.sections.attributes.figures import SECTION as ATTRIBUTES
from medpriv.report.sections.comparison.figures import NOBODY_NAMED
from medpriv.report.sections.comparison.figures import SECTION as COMPARISON
from medpriv.report.sections.federated.figures import SECTION as FEDERATED
from medpriv.report.sections.leakage.figures import SECTION as LEAKAGE
from medpriv.report.sections.private.figures import SECTION as PRICE
from medpriv.report.sections.reconstruction.figures import SECTION as RECONSTRUCTION
from medpriv.report.sections.reidentification.figures import SECTION as REIDENTIFICATION
from medpriv.report.sections.subgroups.figures import parts_of
from medpriv.report.withholding import withheld

PRIVACY = {"privacy": {"epsilon": 1.0, "delta": 0.0003, "unit": "patient", "tuning": "Fixed.", "caveats": ["scaling"]}}


def cohort(name: str = "table", *, credentialed: bool = False, notes: dict | None = None) -> Cohort:
    about = {"classes": ("no", "yes"), "source": "local", "credentialed": credentialed, "modality": "table"}
    return Cohort(name, {"train": 40, "test": 20}, {"train": 40, "test": 20}, {}, about | {"notes": notes or {}})


def headline(
    treatment: str,
    auroc: float = 0.8,
    attacks: tuple[Measure, ...] | list[Measure] = (),
    facts: dict | None = None,
    sites: tuple[str, ...] = SITES,
    **more: object,
) -> Headline:
    result = Result(
        dataset="table",
        treatment=treatment,
        model="mlp",
        replicates=8,
        hyperparameters=more.get("hyperparameters", {}),
        costs=more.get("costs", {}),
        utility=Measures(utility(treatment, auroc, sites=sites)),
        attacks=Measures(attacks),
        tables=more.get("tables", {}),
        metadata=facts or {},
        settings=more.get("settings", {}),
    )
    return choose_headline(cohort(), result)


def private(level: float, auroc: float, audited: float, **more: float) -> Headline:
    name = f"dp-sgd-mlp-eps{level:g}"
    return headline(name, auroc, [*membership(name, 0.52), *epsilon(name, level, audited, **more)], PRIVACY)


# --- figures ---------------------------------------------------------------------------------------------------------


def test_paired_difference_is_student_s_over_shared_replicates() -> None:
    def bank(treatment: str, values: dict[str, float]) -> Result:
        rows = [Measure("table", treatment, "", "auroc", value, n=9, replicate=name) for name, value in values.items()]
        return replace(headline(treatment).result, utility=Measures(rows))

    own = bank("fed-avg", {"0": 0.71, "1": 0.72, "2": 0.73, "7": 0.1})
    base = bank("baseline-mlp", {"0": 0.70, "1": 0.70, "2": 0.70, "3": 0.9})
    gap = paired_difference(own, base, "auroc")
    assert gap.n == 3
    assert gap.value == pytest.approx(0.02)
    assert gap.upper - gap.value == pytest.approx(4.302653 * 0.01 / 3**0.5)
    assert gap.value - gap.lower == pytest.approx(gap.upper - gap.value)
    assert paired_difference(own, bank("baseline-mlp", {"0": 0.7}), "auroc") is None


def test_headline_bound_is_chosen_beforehand_not_the_largest() -> None:
    item = private(3.0, 0.8, 1.0)
    assert item.audited.value == 1.0  # of a record canary 2.0 was proved, of one replicate 9.0
    assert "independent-gaussian" in item.audited.group
    assert item.figures["epsilon_accountant"].value == 3.0
    assert item.figures["epsilon_lower"].value == 1.0


def test_unaudited_guarantee_is_the_bank_s_own() -> None:
    item = headline("fed-sample_dp", facts=PRIVACY)
    assert (item.claimed.value, item.claimed.group) == (1.0, "delta=0.0003")
    assert item.audited is None


def test_what_a_server_sees_is_not_the_leak_of_the_model() -> None:
    item = headline("fed-avg", attacks=[*membership("fed-avg", 0.6), *server("fed-avg", {})])
    assert item.leak("patient").value == 0.6


# --- price of privacy ------------------------------------------------------------------------------------------------


def test_price_of_privacy_is_paired_and_stated_beyond_the_interval_alone() -> None:
    base = headline("baseline-mlp", 0.8, membership("baseline-mlp", 0.7))
    section = write(PRICE, [base, private(1.0, 0.7, 0.3), private(8.0, 0.8, 2.0)])
    (priced,) = section.found.datasets
    assert [bank.item.result.treatment for bank in priced.usefulness.ways("less")] == ["dp-sgd-mlp-eps1"]
    assert priced.usefulness.largest.loss == pytest.approx(0.1)
    assert [(leak.guaranteed, leak.shown, leak.judged) for leak in priced.leaks] == [(True, 0, 2), (False, 1, 1)]
    assert priced.audited.over == []
    spoken = " ".join(section.paragraphs)
    assert "1 of 2 banks with a guarantee is less useful" in spoken
    assert "by up to 0.100 of AUROC (dp-sgd-mlp-eps1: n = 8 replicates" in spoken
    assert "1 can’t be told apart from it" in spoken
    assert "in 0 of 2 banks with a guarantee" in spoken
    assert "in 1 of 1 bank without one (highest AUC 0.700" in spoken
    assert "On table the audited bound exceeds what the accountant allows in none of 2 audited banks" in spoken
    assert "How settings were chosen: Fixed." in spoken
    assert "What the guarantees leave out: Scaling." in spoken
    table = section.tables[0]
    row = cells(table, "dp-sgd-mlp-eps1")
    assert row["Accountant at most"] == "1.00 δ = 0.0003 unit: patient n = 130 patients"
    assert row["One run at least, 95\u00a0% confidence; nothing assumed"].startswith("0.15 canary: gradient n = 800")
    assert row["From the bank guesses taken for independent"].startswith("0.07 n = 4\u202f000")
    assert row["Against no guarantee"] == "less useful"
    assert cells(table, "dp-sgd-mlp-eps8")["Against no guarantee"] == "not told apart"
    assert row["Artefact"] == "results/attacks/table/private/epsilon/measures.csv"


def test_membership_is_shown_only_above_what_the_best_of_as_many_attacks_reaches_by_chance() -> None:
    lucky = headline("dp-sgd-mlp-eps1", 0.7, membership("dp-sgd-mlp-eps1", 0.535), PRIVACY)  # 0.505 to 0.565
    few = headline("dp-sgd-mlp-eps8", 0.7, [replace(row, patients=9) for row in membership("x", 0.9)], PRIVACY)
    leaking = headline("baseline-mlp", 0.8, membership("baseline-mlp", 0.6))

    def told(chance: float) -> str:
        rows = Measures(
            replace(row, upper=chance) if row.attack == "membership-best" else row for row in lucky.result.attacks
        )
        item = choose_headline(cohort(), replace(lucky.result, attacks=rows))
        return next(text for text in write(PRICE, [item, few, leaking]).paragraphs if "Membership" in text)

    assert told(0.54).startswith(
        "Membership is shown above guessing on table in 0 of 1 bank with a guarantee (highest AUC 0.535, 95\u00a0% "
        "interval 0.505 to 0.565, dp-sgd-mlp-eps1, n = 130; 1 bank can’t be judged, for want of patients or of chance) "
        "and in 1 of 1 bank without one"
    )
    assert "the strongest of as many attacks stays below 0.530 to 0.540 in 97.5\u00a0% of cases" in told(0.54)
    assert "in 1 of 1 bank with a guarantee" in told(0.53)


def test_private_federation_is_held_against_the_same_without_a_guarantee() -> None:
    items = [headline("baseline-mlp", 0.9), headline("fed-avg", 0.8), headline("fed-sample_dp", 0.799, facts=PRIVACY)]
    table = write(PRICE, items).tables[0]
    assert [row.head for row in table.rows] == ["fed-avg", "fed-sample_dp"]
    assert cells(table, "fed-sample_dp")["Difference paired by replicate"].startswith("−0.001")


def test_broken_training_is_named_and_marked() -> None:
    items = [private(1.0, 0.7, 4.2, violations=1.0), private(8.0, 0.8, 2.0)]
    rows = Measures(
        replace(row, lower=0.79, upper=1.0) if (row.measure, row.value) == ("violations", 1.0) else row
        for row in items[0].result.attacks
    )
    items[0] = replace(items[0], result=replace(items[0].result, attacks=rows))
    section = write(PRICE, items)
    spoken = " ".join(section.paragraphs)
    assert (
        "show more than the accountant allows in 1 of 2 audited banks: dp-sgd-mlp-eps1: at least 4.20, allowed 1.00 "
        "(each at 95\u00a0% confidence" in spoken
    )
    table = section.tables[0]
    row = cells(table, "dp-sgd-mlp-eps1")
    assert row["Violations trainings whose own bound is above"].startswith(
        "100\u00a0% more than chance allows 79.0 to 100.0\u00a0% of n = 16"
    )
    assert row["One run at least, 95\u00a0% confidence; Gaussian noise assumed"].startswith(
        "4.20 above the accountant’s"
    )
    broken, honest = (
        table.cells(next(row for row in table.rows if row.head == f"dp-sgd-mlp-eps{level}")) for level in (1, 8)
    )
    assert [cell.tone for cell in broken[:5]] == ["", "bad", "bad", "bad", "bad"]
    assert not any(cell.tone for cell in honest[:5])


def test_conditions_are_sentences() -> None:
    privacy = {"privacy": {**PRIVACY["privacy"], "tuning": "fixed", "caveats": ["no noise", "The unit. Is a client."]}}
    section = write(PRICE, [headline("dp-sgd-mlp-eps1", facts=privacy)])
    assert section.paragraphs[-2:] == [
        "How settings were chosen: Fixed.",
        "What the guarantees leave out: No noise. The unit. Is a client.",
    ]


def test_epsilon_of_another_unit_is_told_apart_on_the_plane() -> None:
    privacy = {"privacy": {**PRIVACY["privacy"], "unit": "client"}}
    panel = write(PRICE, [headline("fed-client_dp", facts=privacy), private(1.0, 0.7, 0.3)]).figures[0].panels[0]
    assert panel.note.endswith("; the unit of fed-client_dp is a client")


def test_plane_holds_every_treatment_at_its_epsilons() -> None:
    base = headline("baseline-mlp", 0.8, membership("baseline-mlp", 0.7))
    items = [base, private(1.0, 0.7, 0.0), private(8.0, 0.8, 2.0), headline("fed-avg", 0.7)]
    figure = write(PRICE, items).figures[0]
    privacy, plane = (list(_rows(panel.table)) for panel in figure.panels)
    assert {row["treatment"] for row in privacy} == {item.result.treatment for item in items}
    proved = {row["treatment"]: row["value"] for row in privacy if row["figure"] == "epsilon_lower"}
    assert proved == {"dp-sgd-mlp-eps1": "0", "dp-sgd-mlp-eps8": "2"}
    assert {row["treatment"] for row in plane} == {item.result.treatment for item in items[:3]}  # fed: not attacked
    assert ">none<" in figure.panels[0].svg


def _rows(text: str) -> list[dict[str, str]]:
    head, *lines = text.strip().split("\n")
    return [
        dict(zip(head.split(","), re.split(r",(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", line), strict=True)) for line in lines
    ]


def test_without_private_federated_or_split_banks_there_is_no_question() -> None:
    items = [headline("baseline-mlp"), headline("robust-pgd")]
    assert write(PRICE, items) is None
    assert write(FEDERATED, items, {"table": cohort()}) is None
    assert write(RECONSTRUCTION, items, {"table": cohort()}) is None
    assert write(ATTRIBUTES, items) is None
    assert write(REIDENTIFICATION) is None
    assert write(LEAKAGE, items, {"table": cohort()}) is None


def test_records_that_stand_for_patients_are_said_to_beside_their_figures() -> None:
    items = [headline("baseline-mlp")]
    nobody = write(COMPARISON, items, {"table": cohort(notes={"patients_known": "no: each image is one"})})
    assert NOBODY_NAMED in nobody.html
    assert NOBODY_NAMED not in write(COMPARISON, items, {"table": cohort()}).html


# --- sites -----------------------------------------------------------------------------------------------------------

FEDERATION = {"federation": {"partition": "site", "clients": {"cleveland": 60}}}
COSTS = {"bytes_up": 12484, "bytes_down": 980, "rounds": 10}


def federated(treatment: str, auroc: float, **more: object) -> Headline:
    return headline(treatment, auroc, facts=FEDERATION, costs=COSTS, **more)


def test_sites_stand_beside_pooled_and_local_training() -> None:
    items = [headline("baseline-mlp", 0.8), federated("fed-local", 0.7), federated("fed-avg", 0.799)]
    section = write(FEDERATED, items, {"table": cohort()})
    assert "of 1 federated bank against each site alone, less useful 0, more useful 1, not told apart 0" in section.text
    assert "each site alone minus pooled training: −0.100 of AUROC" in section.paragraphs[1]
    row = cells(section.tables[0], "fed-avg")
    assert row["AUROC all test patients"].startswith("0.799")
    assert row["Against local paired by replicate"].startswith("+0.099")
    assert row["cleveland n = 90"] == "0.799 0.699 to 0.899 accuracy 0.700"
    assert row["switzerland n = 72"] == "not resolvable accuracy 0.720"
    assert (row["Up"], row["Down"], row["Rounds"]) == ("12.5 kB", "980\u00a0B", "10")
    assert row["Server sees"] == "each client's model"
    assert row["Artefact"] == "results/federated/table/fed-avg/utility.csv"
    assert cells(section.tables[0], "baseline-mlp")["Up"] == "–"


def test_equal_banks_are_not_told_apart() -> None:
    items = [headline("baseline-mlp", 0.8), federated("fed-avg", 0.8)]
    section = write(FEDERATED, items, {"table": cohort()})
    assert "of 1 federated bank against pooled training, less useful 0, more useful 0, not told apart 1" in section.text


def test_many_sites_are_cut_to_those_with_most_records_and_it_is_said() -> None:
    sites = tuple(f"site{index}" for index in range(10))
    section = write(FEDERATED, [federated("fed-avg", 0.8, sites=sites)], {"table": cohort()})
    table = section.tables[0]
    assert [column.label for column in table.columns if column.label.startswith("site")] == list(sites[:8])
    assert "The 8 with most test records of 10 are shown" in section.text


def test_small_sites_of_credentialed_data_are_withheld() -> None:
    sites = tuple(f"site{index}" for index in range(10))  # the last has 9 records
    for credentialed in (True, False):
        few = [federated("fed-avg", 0.8, sites=sites[6:])]
        few[0] = replace(few[0], result=replace(few[0].result, utility=_shrunk(few[0].result.utility)))
        table = write(FEDERATED, few, {"table": cohort(credentialed=credentialed)}).tables[0]
        assert ("site9" in [column.label for column in table.columns]) is not credentialed


def _shrunk(rows: Measures) -> Measures:
    return Measures(replace(row, n=9) if row.group == "site=site9" else row for row in rows)


def test_small_clients_of_credentialed_data_are_withheld() -> None:
    item = headline("fed-dirichlet", facts={"federation": {"clients": {"one": 9, "two": 50}}})
    for credentialed, told in ((True, "one withheld, two withheld"), (False, "one 9, two 50")):
        table = write(FEDERATED, [item], {"table": cohort(credentialed=credentialed)}).tables[0]
        assert cells(table, "fed-dirichlet")["Clients training patients"] == told


def test_small_classes_and_subgroups_of_credentialed_data_are_withheld() -> None:
    item = headline("baseline-mlp", sites=("a", "b", "c"))  # 90, 81 and 72 records
    small = Measures(replace(row, n=9) if row.group == "site=c" else row for row in item.result.utility)
    item = replace(item, result=replace(item.result, utility=small))
    shown = {flag: {part.name for part in parts_of(cohort(credentialed=flag), item)} for flag in (True, False)}
    assert shown == {True: {"site a"}, False: {"site a", "site b", "site c"}}  # b would give c away
    assert withheld({"a": 40, "b": 3, "c": 20, "d": 0}) == {"b", "c"}


def test_clients_by_an_attribute_have_its_columns() -> None:
    item = federated("fed-avg", 0.8, settings={"partition": {"group": "unit"}})
    rows = Measures(replace(row, group=row.group.replace("site=", "unit=")) for row in item.result.utility)
    item = replace(item, result=replace(item.result, utility=rows))
    table = write(FEDERATED, [item], {"table": cohort()}).tables[0]
    assert {column.over for column in table.columns} >= {"AUROC, by unit"}
    assert cells(table, "fed-avg")["cleveland n = 90"].startswith("0.800")


def fed_heart(source: str = "local", train: int = 486) -> Cohort:
    notes = {"protocol": "flamby"}
    about = {"classes": ("no", "yes"), "source": source, "credentialed": False, "modality": "table", "notes": notes}
    counts = {"train": train, "test": 254}
    return Cohort("table", counts, counts, {}, about)


def fed_heart_bank(treatment: str) -> Headline:
    """Return a bank whose accuracies by site are 0.70 to 0.73, with intervals of 0.6 to 0.8."""
    server = {"server_rate": 0.01, "tau": 0.001} if treatment == "fed-yogi" else {}
    settings = {"rounds": 12, "local": {"updates": 100, "learning_rate": 0.001}, "strategy": server}
    item = headline(treatment, 0.8, settings={} if treatment.startswith("baseline") else settings)
    whole = Measure("table", treatment, "", "accuracy", 0.71, 0.65, 0.77, 254)
    counts = dict(zip(SITES, (104, 89, 16, 45), strict=True))
    rows = Measures(
        replace(row, n=counts[row.group.removeprefix("site=")]) if row.group else row for row in item.result.utility
    )
    return replace(item, result=replace(item.result, model="logistic", utility=Measures((*rows, whole))))


def test_flamby_s_published_table_stands_beside_ours_on_its_own_patients_alone() -> None:
    items = [fed_heart_bank(name) for name in ("baseline-logistic", "fed-local", "fed-avg", "fed-yogi", "fed-bn")]
    section = write(FEDERATED, items, {"table": fed_heart()})
    table = section.tables[1]
    assert [row.head for row in table.rows] == ["baseline-logistic", "fed-local", "fed-avg", "fed-yogi"]
    row = table.cells(next(row for row in table.rows if row.head == "fed-avg"))
    assert [cell.text for cell in row[:4]] == ["0.710", "0.706", "0.700", "0.731"]  # 0.706: by test patients
    assert [cell.text for cell in row[5:11:2]] == ["0.719", "0.650", "0.640"]
    assert row[10].text == "0.748"
    local = table.cells(next(row for row in table.rows if row.head == "fed-local"))
    assert [cell.text for cell in local[3:10:2]] == ["0.746", "0.746", "0.725", "0.702"]
    assert [count for _, count in table.overs] == [2] * 5 + [1]
    # 0.783, 0.764, 0.750 and 0.644 of pooled training, and so on: all within 0.6 to 0.8
    assert "our 95\u00a0% intervals hold 16 of 16 published accuracies" in " ".join(section.paragraphs)
    assert (
        "Settings, FLamby’s in brackets: rounds 12 (15), client rate 0.001 (0.003162) of fed-yogi, "
        "tau 0.001 (1e-08) of fed-yogi." in section.text
    )
    for other in (fed_heart(source="simulated"), fed_heart(train=485), cohort()):
        assert len(write(FEDERATED, items, {"table": other}).tables) == 1


def test_without_a_counterpart_of_flamby_s_its_table_is_left_out() -> None:
    assert len(write(FEDERATED, [fed_heart_bank("fed-secure")], {"table": fed_heart()}).tables) == 1


def split(variant: str, explained: tuple[float, float, float]) -> Headline:
    name = f"split-{variant}-cut1"
    facts = {"split": {"topology": variant, "cut": 1, "clients": {"a": 3, "b": 4}}}
    return headline(name, 0.8, cut(name, explained), facts, costs=COSTS)


def test_cut_states_the_best_reconstruction_and_what_defences_take_from_it() -> None:
    items = [split("vanilla", (0.9, 0.88, 0.92)), split("nopeek", (0.6, 0.55, 0.65)), split("noise", (0.89, 0.8, 0.95))]
    section = write(FEDERATED, items, {"table": cohort()})
    best = attack_name("cut-inversion-public")  # 1.02 of what the inversion without them explains
    assert f"most is reconstructed from split-vanilla-cut1: {best} explains 91.8" in section.paragraphs[1]
    (found,) = section.found.datasets
    assert [(item.defence, item.malicious, item.way) for item in found.split.defences] == [
        ("NoPeek", False, "less"),
        ("NoPeek", True, "less"),
        ("clipping and noise", False, "open"),
        ("clipping and noise", True, "open"),
    ]
    told = section.paragraphs[2].split("; ")
    assert f"with NoPeek at cut 1 a curious server explains 61.2\u00a0% (56.1 to 66.3\u00a0%, {best})" in told[0]
    assert "not told apart" not in told[0]
    assert "which is not told apart" in told[2]
    row = cells(section.tables[0], "split-vanilla-cut1")
    assert row["Distance correlation of records and activations"].endswith("shuffled 0.300")
    assert row["Curious server explained, best attack"].startswith("0.918")
    assert row["UnSplit explained"].startswith("0.270")
    assert row["FSHA malicious; explained"].startswith("0.450")
    assert row["Labels inferred balanced accuracy, last epoch"].startswith("0.970")
    assert row["Its error SD; the mean’s beside it"].endswith("mean record 1.000")


def test_strongest_curious_server_is_whichever_attack_explains_most() -> None:
    def with_repeated(value: float) -> Headline:
        item = split("noise", (0.6, 0.55, 0.65))
        rows = Measures(
            replace(row, value=value) if (row.attack, row.measure) == ("cut-inversion-repeated", "explained") else row
            for row in item.result.attacks
        )
        return replace(item, result=replace(item.result, attacks=rows))

    row = cells(write(FEDERATED, [with_repeated(0.96)], {"table": cohort()}).tables[0], "split-noise-cut1")
    assert row["Curious server explained, best attack"].startswith("0.960")
    assert row["Curious server explained, best attack"].endswith(attack_name("cut-inversion-repeated"))


def test_every_attack_on_a_split_bank_stands_in_the_table_by_name() -> None:
    table = write(FEDERATED, [split("vanilla", (0.9, 0.88, 0.92))], {"table": cohort()}).tables[1]
    named = {row.head for row in table.rows}
    assert {attack_name(f"cut-{name}") for name in RECONSTRUCTIONS} <= named
    assert not any(head.startswith("cut-") for head in named)


ATTACKED = {
    "fed-avg": server("fed-avg", {START: (0.5, 0.4, 0.6)}),
    "split-vanilla-cut1": cut("split-vanilla-cut1", (0.9, 0.88, 0.92)),
    "baseline-mlp": attribute("baseline-mlp", (0.08, 0.04, 0.12)),
}


def otherwise(rows: list[Measure], attack: str) -> list[Measure]:
    """Return the figures with those of one attack changed."""
    return [replace(row, value=0.123) if row.attack == attack else row for row in rows]


@pytest.mark.parametrize(
    ("treatment", "attack"),
    [(treatment, attack) for treatment, rows in ATTACKED.items() for attack in {row.attack: None for row in rows}],
)
def test_no_attack_on_servers_cuts_and_features_is_left_out(treatment: str, attack: str) -> None:
    def told(rows: list[Measure]) -> str:
        items = [headline(treatment, attacks=rows, facts={"split": {"topology": "vanilla", "cut": 1}})]
        found = (write(section, items, {"table": cohort()}) for section in (FEDERATED, RECONSTRUCTION, ATTRIBUTES))
        return " ".join(section.html for section in found if section)

    assert told(otherwise(ATTACKED[treatment], attack)) != told(ATTACKED[treatment])


@pytest.mark.parametrize("attack", {row.attack: None for row in linkage()})
def test_no_attack_on_the_table_is_left_out(attack: str) -> None:
    def told(rows: list[Measure]) -> str:
        return write(REIDENTIFICATION, audits=(audit_of(rows),)).html

    assert told(otherwise(linkage(), attack)) != told(linkage())


# --- what the server sees --------------------------------------------------------------------------------------------


def test_inversion_beats_the_baseline_only_where_the_interval_says_so() -> None:
    gains = {START: (0.5, 0.4, 0.6), PRIVATE: (-0.05, -0.1, 0.01), SECURE: (0.02, -0.03, 0.07), END: (0.2, 0.1, 0.3)}
    section = write(RECONSTRUCTION, [headline("fed-avg", attacks=server("fed-avg", gains))], {"table": cohort()})
    spoken = section.paragraphs[1]
    assert "gives back 100.0\u00a0% of its variables by the Cosine attack" in spoken
    assert "the mode 50.0\u00a0%" in spoken
    assert "under DP-SGD no attack is shown to beat the better baseline in 1 setting" in spoken
    assert "under secure aggregation no attack is shown to beat the better baseline in 1 setting" in spoken
    verdicts = [own[8].text for row in section.tables[0].rows if (own := section.tables[0].cells(row))]
    assert verdicts == ["beats the baselines", *["not shown to beat them"] * 2, "beats the baselines"]
    gains[SECURE] = (0.3, 0.1, 0.5)
    section = write(RECONSTRUCTION, [headline("fed-avg", attacks=server("fed-avg", gains))], {"table": cohort()})
    assert (
        "under secure aggregation the best attack beats the better baseline in 1 of 1 setting" in section.paragraphs[1]
    )
    row = cells(section.tables[-1], "fed-avg")
    assert row["From updates AUC per patient"].startswith("0.950")
    assert row["Chance"] == "25.0\u00a0%"


def test_inversion_of_few_patients_records_gets_no_verdict() -> None:
    gains = {START: (0.5, 0.4, 0.6), PRIVATE: (0.4, 0.3, 0.5)}
    item = headline("fed-avg", attacks=server("fed-avg", gains, records=8))
    section = write(RECONSTRUCTION, [item], {"table": cohort()})
    assert "under DP-SGD 1 setting on too few patients to judge" in section.paragraphs[1]
    assert {own[8].text for row in section.tables[0].rows if (own := section.tables[0].cells(row))} == {"too few"}


def test_a_whole_round_is_spoken_of_apart_from_single_records() -> None:
    whole = "model=start,batch=43,steps=3,defence=secure,part=16"
    gains = {START: (0.5, 0.4, 0.6), SECURE: (0.3, 0.1, 0.5), whole: (-0.02, -0.04, -0.01)}
    section = write(RECONSTRUCTION, [headline("fed-secure", attacks=server("fed-secure", gains))], {"table": cohort()})
    spoken = section.paragraphs[1]
    assert "; under secure aggregation the best attack beats the better baseline in 1 of 1 setting" in spoken
    assert (
        "; in a whole round under secure aggregation no attack is shown to beat the better baseline in 1 setting"
        in spoken
    )
    assert "whole round of 43 records, 3 local steps of 16, under secure aggregation" in spoken


def test_other_strategies_are_folded_below_the_one_tried_most() -> None:
    items = [
        headline("fed-prox", attacks=server("fed-prox", {START: (0.5, 0.4, 0.6)})),
        headline("fed-avg", attacks=server("fed-avg", {START: (0.5, 0.4, 0.6), END: (0.2, 0.1, 0.3)})),
    ]
    first, second, _ = write(RECONSTRUCTION, items, {"table": cohort()}).tables
    assert first.rows[0].head == "fed-avg"
    assert not first.fold
    assert second.fold == "Gradient inversion on table: 1 other bank"


def test_long_record_is_folded_but_for_its_first_features() -> None:
    def example(features: int) -> tuple[Written, list[Table]]:
        rows = tuple(
            {"attack": "inversion-dlg", "setting": START, "feature": f"f{place}", "unit": "", "true": "1", "found": "2"}
            for place in range(features)
        )
        item = headline(
            "fed-avg", attacks=server("fed-avg", {START: (0.5, 0.4, 0.6)}), tables={"federated_server-examples": rows}
        )
        section = write(RECONSTRUCTION, [item], {"table": cohort()})
        return section, [table for table in section.tables if "One" in table.title]

    _, (whole,) = example(20)
    assert (len(whole.rows), whole.fold) == (20, "")
    section, (first, rest) = example(78)
    assert ([row.head for row in first.rows], first.fold) == ([f"f{place}" for place in range(12)], "")
    assert "first 12 of 78 features" in section.ledes[first.title]
    assert (len(rest.rows), rest.fold) == (66, "The other 66 features of this record")


# --- hidden features -------------------------------------------------------------------------------------------------


def test_member_advantage_is_claimed_beyond_the_interval_alone() -> None:
    items = [
        headline("baseline-mlp", attacks=attribute("baseline-mlp", (0.08, 0.04, 0.12))),
        headline("fed-avg", attacks=attribute("fed-avg", (0.02, -0.02, 0.06))),
    ]
    section = write(ATTRIBUTES, items)
    assert "shown for 1 of 2 banks" in section.paragraphs[1]
    assert "8.0\u00a0% (Combined with imputing on table/baseline-mlp" in section.paragraphs[1]
    row = cells(section.tables[0], "fed-avg")
    assert row["LiRA"].startswith("not resolvable")
    assert row["n patients"] == "120"


def test_member_advantage_is_judged_of_models_with_skill_on_enough_patients_beside_luck() -> None:
    few = [replace(row, n=9, patients=9) for row in attribute("fed-avg", (0.2, 0.1, 0.3))]
    dull = headline("split-vanilla-cut1", attacks=attribute("split-vanilla-cut1", (0.3, 0.2, 0.4)))
    chance = Measure("table", "split-vanilla-cut1", "", "auroc", 0.5, 0.45, 0.55, 260, patients=260)
    items = [
        headline("baseline-mlp", attacks=attribute("baseline-mlp", (0.08, 0.04, 0.12))),
        headline("fed-avg", attacks=few),
        replace(dull, figures=dull.figures | {"auroc": chance}),
    ]
    spoken = write(ATTRIBUTES, items).paragraphs[1]
    assert "shown for 1 of 1 bank that could be asked (1 bank on too few patients not judged)" in spoken
    assert "by the best of 3 attacks; if none gave anything away, up to 7.5\u00a0%, here 0.1, would still" in spoken
    assert "split-vanilla-cut1 beats neither chance nor the commonest class" in spoken
    assert "The highest is 8.0\u00a0%" in spoken


# --- leakage ---------------------------------------------------------------------------------------------------------


def test_leaking_table_stands_beside_the_same_without() -> None:
    cohorts = {
        "leaky": cohort("leaky", notes={"leakage": [finding()]}),
        "honest": cohort("honest", notes={"leakage": []}),
        "other": cohort("other", notes={"leakage": []}),
    }
    items = []
    for dataset, value in (("leaky", 1.0), ("honest", 0.5), ("other", 0.7)):
        result = headline("baseline-mlp").result
        auroc = Measure(dataset, "baseline-mlp", "", "auroc", value, value, value, 39)
        items.append(choose_headline(cohort(), replace(result, dataset=dataset, utility=Measures((auroc,)))))
    kinds = {"leaky": "admissions", "honest": "admissions", "other": "heart"}
    formats = {name: {"format": kind} for name, kind in kinds.items()}
    section = write(LEAKAGE, items, cohorts, config={"datasets": formats})
    lesson, found = section.tables
    assert lesson.title == "leaky beside honest"
    assert [cell.text for cell in lesson.cells(lesson.rows[0])[:4]] == ["1.000", "39", "0.500", "39"]
    assert lesson.cells(lesson.rows[0])[4].text == "results/baselines/leaky/baseline-mlp/utility.csv"
    assert "death_flag, kept on purpose: baseline-mlp reaches an AUROC of 1.000" in section.paragraphs[1]
    assert "in honest, it reaches 0.500" in section.paragraphs[1]
    assert cells(found, "death_flag")["What was found"] == "death_flag is the outcome"
    assert cells(found, "honest")["Check"] == "nothing found"


def test_time_after_the_outcome_is_stated_in_hours() -> None:
    late = finding("month", allowed=False) | {"check": "time", "value": 36.0, "lower": 36.0}
    section = write(LEAKAGE, [], {"table": cohort(notes={"leakage": [late]})})
    row = cells(section.tables[0], "month")
    assert (row["Value AUC, share or hours"], row["At least lower 95 % limit"]) == ("36\u00a0h", "–")
    assert row["Artefact"].endswith("reported only")


# --- re-identification -----------------------------------------------------------------------------------------------


def audit_of(rows: list[Measure]) -> Audit:
    """Return an audit of the table itself that found these figures."""
    return Audit("table", "", "linkage", Measures(rows))


def test_table_is_judged_by_what_others_know() -> None:
    section = write(REIDENTIFICATION, audits=(audit_of(linkage()),))
    spoken = " ".join(section.paragraphs)
    assert "25.0\u00a0% of people are unique in demographics+site (3 columns, n = 400 people; k-anonymity 1)" in spoken
    assert "100.0\u00a0% in all features" in spoken
    assert "row_id, a number kept from the source, joins 100.0\u00a0% of the rows" in spoken
    assert "no claim of legal compliance" in spoken
    row = cells(section.tables[0], "demographics")
    assert row["Unique people"] == "10.0\u00a0%"
    assert row["t most"] == "0.57"
    assert row["Linked to the other columns"] == "12.0\u00a0% by chance 0.2\u00a0%"
    assert row["Same person another row of theirs"] == "–"


def test_where_nobody_said_what_others_know_no_figure_stands_for_it() -> None:
    rows = [Measure("table", "data", "linkage-anonymity", "unique", NAN, group="set=quasi")]
    rows += [item for item in linkage() if "demographics" not in item.group]
    roles = {"quasi_identifiers": None, "suspected": {"quasi_identifiers": ["alter", "plz"]}}
    section = write(REIDENTIFICATION, [], {"table": cohort(notes={"roles": roles})}, audits=(audit_of(rows),))
    spoken = " ".join(section.paragraphs)
    assert "In table nobody has declared which columns others know of a person" in spoken
    assert "others may know alter, plz. Name such columns under preprocess.quasi_identifiers" in spoken
    assert "are unique" not in spoken and cells(section.tables[0], "quasi")["Unique people"].endswith("n = 0")
    said = cohort(notes={"roles": roles | {"quasi_identifiers": []}})
    section = write(REIDENTIFICATION, [], {"table": said}, audits=(audit_of(rows),))
    assert "the config declares that others know no column" in " ".join(section.paragraphs)


def test_linkage_of_another_dataset_is_refused(tmp_path: Path) -> None:
    arguments = add_tables(tmp_path, write_results(tmp_path))
    with pytest.raises(InputError, match="a figure of table among those of beats"):
        read_audit("beats", "", "linkage", arguments["linkage"]["table"])


# --- the page --------------------------------------------------------------------------------------------------------

ANCHORS = ("leakage", "private", "federated", "reconstruction", "attributes", "reidentification")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tables")
    build_report(**as_artefacts(add_tables(root, write_results(root))), destination=root / "report")
    return root / "report"


def test_per_cents_are_spaced_in_one_way_over_the_whole_page(page: Path) -> None:
    read = re.sub(r"<(style|script).*?</\1>|<[^>]*>", "\n\n", (page / "index.html").read_text(), flags=re.DOTALL)
    signs = re.findall(r"\d(\D?)%", read)
    assert "20\u00a0% disclosed" in read and len(signs) > 50
    assert set(signs) == {"\u00a0"}


def test_page_has_the_new_sections_and_every_figure_its_table(page: Path) -> None:
    text = (page / "index.html").read_text()
    for anchor in ANCHORS:
        assert f'<section id="{anchor}">' in text
        assert f'href="#{anchor}"' in text
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    for stem in ("privacy-table-simulated", "plane-table-simulated"):
        assert (page / "figures" / f"{stem}.svg").exists()
        assert read_csv(page / "figures" / f"{stem}.csv")
    assert SECRET.removesuffix("5") in text  # an open table: its example is shown
    assert "90001" not in text  # what a section of its own shows, or none, stays out


def test_headline_figures_of_private_banks_reach_both_files(page: Path) -> None:
    metrics = read_json(page / "metrics.json")["table (simulated)"]["dp-sgd-mlp-eps1"]
    assert (metrics["epsilon_accountant"], metrics["epsilon_lower"]) == (1.0, pytest.approx(1 / 3, rel=1e-5))
    rows = read_csv(page / "comparison.csv")
    assert any(row["treatment"] == "fed-avg" and row["measure"] == "bytes_up" for row in rows)


def test_same_tables_give_the_same_bytes(page: Path, tmp_path: Path) -> None:
    build_report(**as_artefacts(add_tables(tmp_path, write_results(tmp_path))), destination=tmp_path / "report")
    assert (tmp_path / "report" / "index.html").read_bytes() == (page / "index.html").read_bytes()


def test_credentialed_table_shows_no_record(tmp_path: Path) -> None:
    arguments = add_tables(tmp_path, write_results(tmp_path, credentialed=True))
    build_report(**as_artefacts(arguments), destination=tmp_path / "report")
    for path in (tmp_path / "report").rglob("*"):
        assert not path.is_file() or SECRET.removesuffix("5") not in path.read_text(), path
    assert "One record of" not in (tmp_path / "report" / "index.html").read_text()


@pytest.mark.parametrize("kept", ["baseline-mlp", "dp-sgd-mlp-eps1", "fed-avg", "fed-local", "split-nopeek-cut1"])
def test_page_stands_with_any_single_treatment(kept: str, tmp_path: Path) -> None:
    arguments = add_tables(tmp_path, write_results(tmp_path))
    some = {key: path for key, path in arguments["banks"].items() if key == ("table", kept)}
    nothing = {"derived": {}, "audits": {}, "costs": {}, "timings": {}, "linkage": {}}
    for attacks in (arguments["attacks"], {}):
        build_report(
            **as_artefacts(arguments | nothing | {"banks": some, "attacks": attacks}), destination=tmp_path / "report"
        )
        text = (tmp_path / "report" / "index.html").read_text()
        assert "nan" not in re.sub(r"<style>.*?</style>|<svg.*?</svg>", "", text, flags=re.DOTALL).lower().split()
        assert " None " not in text


def test_examples_of_evasion_and_of_the_cut_do_not_mix(tmp_path: Path) -> None:
    arguments = add_tables(tmp_path, write_results(tmp_path))
    key = ("table", "split-vanilla-cut1")
    attacks = dict(arguments["attacks"])
    attacks[*key, "evasion"] = attacks[*key, "split_server"].with_name("evasion")
    write_measures(attacks[*key, "evasion"] / "measures.csv", [])
    write_csv(of_patients(attacks[*key, "evasion"]) / "examples.csv", ("example",), [{"example": "N"}])
    for order in (attacks, dict(reversed(attacks.items()))):
        own = {family: folder for (*of, family), folder in order.items() if tuple(of) == key}
        patients = {family: of_patients(folder) for family, folder in own.items()}
        result = read_result(*key, arguments["banks"][key], own, patients)
        assert [row["example"] for row in result.rows("evasion-examples")] == ["N"]
        assert [row["true"] for row in result.rows("split_server-examples")] == [SECRET]


def test_unresolvable_audits_draw_no_mark() -> None:
    item = private(1.0, 0.7, 0.3)
    attacks = Measures(
        replace(row, value=NAN) if row.measure == "epsilon_lower" else row for row in item.result.attacks
    )
    section = write(PRICE, [choose_headline(cohort(), replace(item.result, attacks=attacks))])
    assert cells(section.tables[0], "dp-sgd-mlp-eps1")["From the bank guesses taken for independent"] == "–"
