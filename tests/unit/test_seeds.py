"""Seeds: names in, the same number out, on every machine."""

from medpriv.seeds import derive_seed, generator


def test_seed_is_the_head_of_sha256_over_the_names():
    # printf 1/mitdb/members/0 | sha256sum, first 16 hex digits, halved
    assert derive_seed(1, "mitdb", "members", 0) == 7004666230141612152


def test_names_do_not_run_into_each_other():
    assert derive_seed(1, "ab", "c") != derive_seed(1, "a", "bc")


def test_generators_of_the_same_names_draw_the_same():
    assert generator(1, "x").random() == generator(1, "x").random()
    assert generator(1, "x").random() != generator(2, "x").random()
