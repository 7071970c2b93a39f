"""What an own table's numbers look like is told by values behind which ten people stand, never by one person's."""

import numpy as np

from medpriv.sources.table_spread import spreads


def test_low_and_high_are_those_of_the_tenth_person_whatever_one_person_has():
    """Person i has i and 1000 - i in two rows: the tenth least is 9, the tenth greatest 991."""
    people = np.repeat(np.arange(100), 2)
    values = np.stack([people[::2], 1000 - people[::2]], axis=1).reshape(-1, 1).astype(float)
    expected = {"x": [10.0, 500.0, 990.0]}  # rounded to tens, of a distance of 982
    assert spreads(values, people, ["x"]) == expected
    absurd = np.concatenate([values, np.full((50, 1), 1e9)])  # fifty rows of one person
    assert spreads(absurd, np.append(people, np.full(50, 7)), ["x"])["x"][2] == 990
    nine = np.concatenate([values, np.full((9, 1), 1e9)])
    assert spreads(nine, np.append(people, np.arange(200, 209)), ["x"])["x"][2] < 1001
    ten = np.concatenate([values, np.full((10, 1), 1e9)])
    assert spreads(ten, np.append(people, np.arange(200, 210)), ["x"])["x"][2] == 1e9  # which is to be seen


def test_a_number_that_few_people_have_is_left_out_and_gaps_count_for_nobody():
    values = np.arange(40.0).reshape(-1, 1)
    values[19:] = np.nan
    assert spreads(values, np.arange(40), ["x"]) == {}
    assert spreads(np.arange(40.0).reshape(-1, 1), np.arange(40) // 4, ["x"]) == {}
    assert spreads(np.ones((20, 1)), np.arange(20), ["x"]) == {"x": [1.0, 1.0, 1.0]}
