"""Partitions: whole patients, joined small sites, even and uneven classes, nobody without patients."""

import numpy as np
import pytest
from made_up_datasets import put_together, with_changes

from medpriv.dataset import TEST, TRAIN
from medpriv.errors import InputError
from medpriv.federated.partition import by_site, dirichlet, iid, partition


def made_up(patients=400, sites=(0.5, 0.3, 0.15, 0.05), records=3, seed=0):
    """Return a dataset whose patients have several records, most of them at one site."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients, dtype=np.int32), records)
    home = rng.choice(len(sites), patients, p=sites).astype(np.int32)
    site = home[patient]
    site[::30] = rng.integers(len(sites), size=len(site[::30]))  # one record of a patient elsewhere
    y = (rng.random(patients) < 0.4).astype(np.int64)[patient]
    return put_together(
        name="toy",
        x=rng.standard_normal((len(patient), 2)).astype(np.float32),
        y=y,
        patient=patient,
        site=site,
        split=np.where(rng.random(patients) < 0.3, TEST, TRAIN).astype(np.uint8),
        centre=np.zeros(2, np.float32),
        scale=np.ones(2, np.float32),
        patients=tuple(map(str, range(patients))),
        sites=tuple(f"site{index}" for index in range(len(sites))),
        classes=("survived", "died"),
        features=("a", "b"),
        units=("", ""),
        licence="",
        source="simulated",
        digest="",
        groups={"region": tuple("north" if where < 2 else "south" for where in home)},
    ), home


def test_a_patient_is_whole_with_the_site_of_most_records():
    dataset, home = made_up()
    parted = by_site(dataset, least=1)
    assert parted.clients == dataset.sites
    assert np.array_equal(parted.holder, home)
    assert np.array_equal(parted.records(dataset), home[dataset.patient])
    assert parted.moved == (parted.records(dataset) != dataset.site).sum() > 0


def test_small_sites_are_joined_to_one_client():
    dataset, home = made_up(sites=(0.5, 0.3, 0.1, 0.1))
    train = dataset.split == TRAIN
    counts = np.bincount(home[train])
    parted = by_site(dataset, least=int(counts[2:].max()) + 1)
    assert parted.clients == ("site0", "site1", "others")
    assert np.array_equal(parted.holder, np.minimum(home, 2))
    assert parted.sizes(dataset) == {"site0": counts[0], "site1": counts[1], "others": counts[2:].sum()}


def test_what_is_too_small_for_a_client_goes_to_the_smallest():
    dataset, home = made_up()
    least = int(np.bincount(home[dataset.split == TRAIN])[3]) + 1
    parted = by_site(dataset, least)
    assert parted.clients == ("site0", "site1", "site2")
    assert np.array_equal(parted.holder, np.minimum(home, 2))


@pytest.mark.parametrize(
    ("name", "joined"), [("others", "others (joined)"), ("Others", "others"), ("others (joined)", "others")]
)
def test_a_site_that_is_called_as_the_joined_client_stays_another(name, joined):
    dataset, home = made_up(sites=(0.5, 0.3, 0.1, 0.1))
    dataset = with_changes(dataset, sites=("a", name, "c", "d"))
    counts = np.bincount(home[dataset.split == TRAIN])
    parted = by_site(dataset, least=int(counts[2:].max()) + 1)
    assert parted.clients == ("a", name, joined)
    assert parted.sizes(dataset) == {"a": counts[0], name: counts[1], joined: counts[2:].sum()}


def test_no_client_is_without_patients():
    dataset, _ = made_up(patients=60, sites=(0.5, 0.5))
    train = int((dataset.split == TRAIN).sum())
    for draw in (lambda clients: iid(dataset, clients, 5, 1), lambda clients: dirichlet(dataset, clients, 3.0, 5, 1)):
        for clients in (2, 3, 4):
            assert min(draw(clients).sizes(dataset).values()) >= 5
        with pytest.raises(InputError, match=rf"need {5 * (train // 5 + 1)} training patients, and there are {train}"):
            draw(train // 5 + 1)


def test_shares_so_uneven_that_no_draw_leaves_everybody_enough_are_refused():
    dataset, _ = made_up(patients=100)
    with pytest.raises(InputError, match=r"none of 1000 draws gave each of 10 clients 3.*raise `alpha`"):
        dirichlet(dataset, 10, 0.01, 3, 1)


def test_a_draw_that_leaves_everybody_enough_is_not_drawn_again():
    dataset, _ = made_up()
    assert np.array_equal(dirichlet(dataset, 4, 1.0, 1, 1).holder, dirichlet(dataset, 4, 1.0, 20, 1).holder)


def test_a_group_may_part_the_patients_instead():
    dataset, home = made_up()
    parted = by_site(dataset, 1, "region")
    assert parted.clients == ("north", "south")
    assert np.array_equal(parted.holder, (home >= 2).astype(int))
    with pytest.raises(InputError, match=r"no patient attribute ward.*name one of region"):
        by_site(dataset, 1, "ward")


def test_one_client_is_no_federation():
    dataset, _ = made_up()
    with pytest.raises(InputError, match="nothing to federate"):
        by_site(dataset, 10**6)


def test_iid_deals_each_split_out_evenly():
    dataset, home = made_up()
    parted = iid(dataset, 5, 1, seed=1)
    for split in (TRAIN, TEST):
        counts = np.bincount(parted.holder[dataset.split == split], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert abs(np.corrcoef(parted.holder, home)[0, 1]) < 0.2
    assert not np.array_equal(parted.holder, iid(dataset, 5, 1, seed=2).holder)


def test_dirichlet_shares_grow_uneven_as_alpha_falls():
    dataset, _ = made_up(patients=2000)
    label = dataset.y[:: len(dataset.y) // 2000]

    def spread(alpha):
        """Mean over seeds of the total variation between a client's class mix and everybody's."""
        found = []
        for seed in range(10):
            holder = dirichlet(dataset, 4, alpha, 1, seed).holder
            table = np.stack([np.bincount(holder[label == cls], minlength=4) for cls in range(2)])
            shares = table / table.sum(1, keepdims=True)
            found.append(np.abs(shares[0] - shares[1]).sum() / 2)
        return np.mean(found)

    assert spread(0.1) > spread(1.0) > spread(100.0) and spread(100.0) < 0.1 and spread(0.1) > 0.4


def test_dirichlet_gives_both_splits_the_same_shares():
    dataset, _ = made_up(patients=2000)
    holder = dirichlet(dataset, 4, 0.5, 1, seed=3).holder
    shares = [
        np.bincount(holder[dataset.split == split], minlength=4) / (dataset.split == split).sum() for split in (0, 1)
    ]
    np.testing.assert_allclose(shares[0], shares[1], atol=0.03)


def test_each_strategy_has_its_partition():
    dataset, _ = made_up()
    own = {"avg": {}, "iid": {"clients": 3}, "dirichlet": {"clients": 2, "alpha": 1.0}}
    found = {
        name: partition(dataset, name, {"partition": {"least_patients": 1, "group": None}, "strategy": strategy}, 1)
        for name, strategy in own.items()
    }
    assert [one.kind for one in found.values()] == ["site", "iid", "dirichlet"]
    assert len(found["iid"].clients) == 3
