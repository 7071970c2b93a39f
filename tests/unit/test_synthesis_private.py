"""DP-GAN and PATE-GAN: sensitivities, what they state, and audits that honest ones pass and broken ones don't."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up_cells import MIXED, assert_within, mixed_cells
from private_recipes import private_recipe
from scipy.special import log_ndtr
from scipy.stats import binom

from medpriv.attacks.epsilon_verdict import Claim, decide_midway, judge_canaries, judge_guesses
from medpriv.attacks.synthetic_epsilon import exceeds, judge
from medpriv.config.synthetic_neural import DpGanSettings, PateGanSettings
from medpriv.errors import InputError
from medpriv.privacy import accountant
from medpriv.privacy.batches import Pass
from medpriv.privacy.lower_bounds import gaussian_epsilon
from medpriv.synthesis import critic, dp_gan, pate_gan
from medpriv.synthesis.critic import Outer
from medpriv.synthesis.dp_gan import CriticStack, Replicate, clip_factors
from medpriv.synthesis.encoding import PublicBins
from medpriv.synthesis.schema import Field, Schema

SMALL = {"width": 32, "embedding": 8, "batch_size": 16, "bins": 5}
DP = SMALL | {"steps": 12, "epsilon": 3.0, "delta": 1e-3}
PATE = SMALL | {"teachers": 4, "rounds": 6, "epsilon": 3.0, "delta": 1e-3}
BOTH = ["dp_gan", "pate_gan"]


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def rngs(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(100 + k) for k in range(count)]


def run(name: str, tables, rows, generators, schema=MIXED, patients=None, **changed):
    if name == "dp_gan":
        return dp_gan.synthesise(
            tables, schema, private_recipe(DpGanSettings, **(DP | changed)), generators, rows, patients
        )
    return pate_gan.synthesise(
        tables, schema, private_recipe(PateGanSettings, **(PATE | changed)), generators, rows, patients
    )


# What comes out.


@pytest.mark.parametrize("name", BOTH)
def test_levels_ranges_and_decimals_are_public_ones(name):
    made = run(name, [mixed_cells(60), mixed_cells(64, 2)], [90, 30], rngs(2))
    assert [len(cells) for cells in made.samples] == [90, 30]
    for cells in made.samples:
        assert_within(cells, MIXED)
    assert made.guarantee["epsilon"] <= 3.0
    assert made.guarantee["epsilon"] > 2.9
    assert made.guarantee["delta"] == 1e-3
    assert made.guarantee["patients"] == 60


@pytest.mark.parametrize("name", BOTH)
def test_a_replicate_is_the_same_beside_whomever(name):
    # The first three have passes of other sizes than the last two.
    tables, rows = [mixed_cells(60 + k + 40 * (k > 2), k) for k in range(5)], [60, 30, 520, 40, 10]
    whole = run(name, tables, rows, rngs(5)).samples
    for some in ([0], [2], [1, 3], [4, 0, 2]):
        part = run(name, [tables[k] for k in some], [rows[k] for k in some], [rngs(5)[k] for k in some])
        for k, cells in zip(some, part.samples, strict=True):
            np.testing.assert_array_equal(cells, whole[k])


def test_a_dp_gan_learns_what_little_noise_lets_it(monkeypatch):
    monkeypatch.setattr(dp_gan, "noise_for", lambda *claim: 0.1)  # the accountant takes minutes for so little
    monkeypatch.setattr(dp_gan, "accounted", lambda *spent: np.inf)
    schema = Schema((Field("x", (), 0.0, 10.0), Field("outcome", ("a", "b"))))
    rng = np.random.default_rng(0)
    label = (rng.random(400) < 0.3).astype(float)
    cells = np.column_stack([np.clip(np.where(label == 1, 8.0, 2.0) + rng.normal(size=400), 0, 10), label])
    made = run("dp_gan", [cells], [1000], rngs(1), schema, steps=600, width=64, batch_size=64)
    assert made.samples[0][:, 1].mean() == pytest.approx(0.3, abs=0.15)
    kept = ~np.isnan(made.samples[0][:, 0])
    assert np.corrcoef(made.samples[0][kept].T)[0, 1] > 0.7


def test_pate_gan_s_generator_nears_the_rows_with_hardly_any_noise():
    schema = Schema((Field("stage", ("i", "ii", "iii", "iv")), Field("outcome", ("a", "b"))))
    label = (np.random.default_rng(0).random(400) < 0.5).astype(float)
    cells = np.column_stack([2 * label, label])  # `ii` and `iv` never occur
    made = run("pate_gan", [cells], [1000], rngs(1), schema, epsilon=1e4, rounds=150, queries=32).samples[0]
    assert np.isin(made[:, 0], (0, 2)).mean() > 0.75


def test_same_seeds_same_bytes():
    for name in BOTH:
        one, other = (run(name, [mixed_cells(60)], [20], rngs(1)).samples[0] for _ in range(2))
        np.testing.assert_array_equal(one, other)


# What is refused.


@pytest.mark.parametrize("name", BOTH)
def test_what_would_void_the_guarantee_is_refused(name):
    with pytest.raises(InputError, match=r"delta 0\.1 is not below 1/n"):
        run(name, [mixed_cells(60)], [5], rngs(1), delta=0.1)
    open_ended = Schema((Field("age", (), 0.0), *MIXED.fields[1:]))
    with pytest.raises(InputError, match="no public range"):
        run(name, [mixed_cells(60)], [5], rngs(1), open_ended)
    with pytest.raises(InputError, match="no rows"):
        run(name, [np.empty((0, 5))], [5], rngs(1))


def test_fewer_patients_than_teachers_are_refused():
    with pytest.raises(InputError, match="3 patients of a replicate can't be dealt out to 4 teachers"):
        run("pate_gan", [mixed_cells(9)], [5], rngs(1), patients=[np.arange(9) // 3], delta=None)


# Sensitivity.


@pytest.mark.parametrize("clipping", ["whole", "layers"])
def test_a_patient_moves_the_sum_by_the_clip_norm_at_most(clipping):
    encoder, clip = PublicBins(MIXED, 5), 0.05
    settings = private_recipe(DpGanSettings, **(DP | {"clip": clip, "clipping": clipping}))
    cells = mixed_cells(12)
    replicates = [Replicate(encoder.encode(cells), np.arange(6).repeat(2), 0.0, 1)] * 2
    stack = CriticStack(encoder, replicates, settings, [*rngs(1), *rngs(1)], rngs(2))  # two that begin alike
    fake = torch.softmax(3 * torch.randn(2, 12, encoder.width), 2)
    mix, rows = torch.rand(2, 12, 1), np.tile(np.arange(12), (2, 1))
    weights = np.full((2, 12), 0.5, np.float32)
    weights[1, 4:6] = 0  # the neighbour: the third patient's rows are nothing
    stack.add_clipped(Pass(rows, weights, 6), fake[:1].repeat(2, 1, 1), mix[:1].repeat(2, 1, 1))
    gradients = stack._optimiser.gradients
    first = gradients["critic1.weight"]
    layers = [
        sum(
            (gradients[f"{name}.{part}"][0] - gradients[f"{name}.{part}"][1]).square().sum()
            for part in ("weight", "bias")
        )
        for name in stack._critic.names
    ]
    assert first.abs().max() > 0
    assert sum(layers).sqrt() == pytest.approx(clip, rel=0.02)
    if clipping == "layers":
        assert max(layers).sqrt() == pytest.approx(clip / 3**0.5, rel=0.02)


def test_layers_clip_norms_add_up_to_the_whole_s():
    squares = [torch.tensor([[4.0, 1e-4]]), torch.tensor([[9.0, 0.0]])]
    whole, layers = (clip_factors(squares, 1.0, kind) for kind in ("whole", "layers"))
    np.testing.assert_allclose(whole[0], [[13**-0.5, 1]], rtol=1e-6)
    norms = [factor**2 * square for factor, square in zip(layers, squares, strict=True)]
    assert sum(norms)[0, 0].item() == pytest.approx(1, rel=1e-5)
    assert layers[0][0, 1] == 1


def test_patients_are_dealt_to_one_teacher_each_and_move_one_vote():
    unit = np.arange(30).repeat(2)
    parts = pate_gan.deal(unit, 4, np.random.default_rng(0))
    assert sorted(np.concatenate(parts)) == list(range(60))
    assert sum(len(set(unit[own])) for own in parts) == 30


def test_one_patient_moves_each_count_of_votes_by_one_at_most(monkeypatch):
    seen, honest = [], pate_gan.noisy_votes

    def spy(counts, *rest):
        seen.append(counts.copy())
        return honest(np.zeros_like(counts), *rest)  # what is answered is the same in both worlds

    monkeypatch.setattr(pate_gan, "noisy_votes", spy)
    cells = mixed_cells(40)
    other = cells.copy()
    other[7] = [0, 15, 1, 3, 1 - cells[7, 4]]
    for table in (cells, other):
        run("pate_gan", [table], [5], rngs(1), rounds=20, queries=16, learning_rate=0.02)
    one, two = (np.stack(part).astype(int) for part in (seen[: len(seen) // 2], seen[len(seen) // 2 :]))
    assert np.abs(one - two).max() == 1
    assert (one != two).any()


def test_votes_state_the_gaussian_mechanism_s_epsilon():
    sigma = pate_gan.vote_noise(2.0, 1e-3, 400)
    assert gaussian_epsilon(20 / sigma, 1e-3) == pytest.approx(2.0, rel=1e-6)
    assert accountant.epsilon(sigma, 1.0, 400, 1e-3) == pytest.approx(2.0, abs=0.02)
    answers = pate_gan.noisy_votes(np.full(20_000, 8), 10, 3.0, np.random.default_rng(0))
    assert answers.mean() == pytest.approx(0.841, abs=0.01)  # P[N(0, 1) > -1]


# Audits. A canary patient is the only one to hold its level of a column made for it. Its gradient, in the critic's
# first layer, is that level's coordinate alone and huge; nobody else's touches it (see `epsilon_canaries`, worst case).

CANARIES, SEEDS, PATIENTS = 100, 20, 40
CLAIM = Claim(2.0, 1e-3)
TRAININGS = 4
MARKED = Schema((Field("canary", ("nobody", *map(str, range(CANARIES)))), Field("outcome", ("a", "b"))))


def audited(monkeypatch, broken: str = "", trainings: int = SEEDS) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and coins [trainings, CANARIES], broken or not."""
    inside = np.random.default_rng(5).random((trainings, CANARIES)) < 0.5
    label = np.arange(PATIENTS) % 2.0
    tables = []
    for coins in inside:
        marks = 1 + np.flatnonzero(coins)
        canaries = np.column_stack([marks, np.zeros(len(marks))])
        tables.append(np.concatenate([np.column_stack([np.zeros(PATIENTS), label]), canaries]))
    _give_canaries_their_coordinates(monkeypatch)
    settings = DP | {"epsilon": CLAIM.epsilon, "steps": 40, "bins": 2}
    sums, places = _watch(monkeypatch)
    if broken == "noise":
        monkeypatch.setattr(dp_gan, "fill_normal", lambda row, rng, scratch: row.zero_())
    if broken == "clipping":
        monkeypatch.setattr(dp_gan, "clip_factors", lambda squares, clip, kind: [torch.ones_like(s) for s in squares])
    if broken == "twice":
        tables = [np.concatenate([table, table]) for table in tables]
    dp_gan.synthesise(tables, MARKED, private_recipe(DpGanSettings, **settings), rngs(trainings), [1] * trainings)
    noise = accountant.noise_for(CLAIM.epsilon, CLAIM.delta, 0.25, 40)
    order = np.unique(places, return_index=True)[1]  # replicates are trained in groups, a lone one with a twin
    path = np.concatenate([np.stack(group) for group in sums], axis=1)[:, order]
    ratios = np.logaddexp(np.log(0.75), np.log(0.25) + np.clip((path - 0.5) / noise**2, -700, 700))
    return ratios.sum(0), inside


def _give_canaries_their_coordinates(monkeypatch) -> None:
    plain = critic.Critic.gradient

    def gradient(self, held, x, weights, mix, masks):
        size = weights.shape[1]
        marks = x[:, :size, 1 : 1 + CANARIES].clone()
        marked = (marks.sum(2) > 0).float() * (weights > 0)
        outers = plain(self, held, x, weights, mix, masks)
        keep = (1 - marked).repeat(1, 3).unsqueeze(2)
        outers = [Outer(outer.x.clone(), outer.d * keep) for outer in outers]
        outers[0].x[..., 1 : 1 + CANARIES] = 0
        outers[0].x[:, :size, 1 : 1 + CANARIES] = 1e3 * marks * marked.unsqueeze(2)
        outers[0].x[:, :size] *= torch.where(marked.unsqueeze(2) > 0, (outers[0].x[:, :size] > 1).float(), 1.0)
        outers[0].d[:, :size, 0] += marked
        return [Outer(outer.x, outer.d) for outer in outers]

    monkeypatch.setattr(critic.Critic, "gradient", gradient)


def _watch(monkeypatch):
    """Record each group's noisy sums of the canaries' coordinates, by step, and which replicates it holds."""
    sums, order = [], []
    plain_init, plain_update = CriticStack.__init__, dp_gan.Adam.update

    def init(self, encoder, replicates, *rest):
        plain_init(self, encoder, replicates, *rest)
        sums.append([])
        self._optimiser.sums = sums[-1]  # by itself, not by its id, which another may get
        self._optimiser.watched = torch.tensor([0.25 * own.units for own in replicates])
        order.extend(own.place for own in replicates)

    def update(self, rate):
        if hasattr(self, "watched"):
            value = self.gradients["critic1.weight"][:, 0, 1 : 1 + CANARIES] * self.watched[:, None]
            self.sums.append(value.double().numpy().copy())
        plain_update(self, rate)

    counter = iter(range(10**6))
    plain_replicate = dp_gan.Replicate

    def made(*arguments):
        own = plain_replicate(*arguments)
        object.__setattr__(own, "place", next(counter))
        return own

    monkeypatch.setattr(dp_gan, "Replicate", made)
    monkeypatch.setattr(CriticStack, "__init__", init)
    monkeypatch.setattr(dp_gan.Adam, "update", update)
    return sums, order


def bounds_of(scores: np.ndarray, inside: np.ndarray) -> dict[str, np.ndarray]:
    verdicts = judge_guesses(scores, inside, CLAIM, 0.05)
    verdicts += judge_canaries(decide_midway(scores, inside), inside, CLAIM, 0.05)
    return {verdict.bound: verdict.each for verdict in verdicts} | {"together": verdicts[-1].together}


def test_an_honest_dp_gan_passes_and_the_audit_is_no_dud(monkeypatch):
    found = bounds_of(*audited(monkeypatch))
    assert all((found[name] > CLAIM.epsilon).sum() <= 4 for name in found if name != "together")
    assert 0.5 * CLAIM.epsilon < found["together"] <= CLAIM.epsilon


@pytest.mark.parametrize("broken", ["noise", "clipping"])
def test_a_broken_dp_gan_is_caught_in_19_of_20_seeds(monkeypatch, broken):
    found = bounds_of(*audited(monkeypatch, broken))
    assert (found["one-run-gaussian"] > CLAIM.epsilon).sum() >= 19
    assert (found["independent-gaussian"] > CLAIM.epsilon).sum() >= 19


def test_a_dp_gan_that_spends_twice_is_caught_in_19_of_20_seeds(monkeypatch):
    """It only doubles what a patient gives, so a seed has several trainings."""
    scores, inside = audited(monkeypatch, "twice", TRAININGS * SEEDS)
    verdicts = [
        judge(*pair, CLAIM, 0.05) for pair in zip(np.split(scores, SEEDS), np.split(inside, SEEDS), strict=True)
    ]
    assert sum(exceeds(verdict, CLAIM) for verdict in verdicts) >= 19


# PATE-GAN releases votes. In the worst case the other teachers are at a tie and a canary sways its own at every query:
# each answer is a coin that falls on "real" with probability 1/2, or Phi(1 / sigma) with the canary.

TEACHERS, QUERIES, ROWS = 10, 16, 4


def votes_audited(seed: int, runs: int, broken: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Return log-likelihood ratios and coins [2, runs] of one canary of four rows a run."""
    rng, sigma = np.random.default_rng(seed), pate_gan.vote_noise(CLAIM.epsilon, CLAIM.delta, QUERIES)
    inside = rng.random((2, runs)) < 0.5
    unit = np.concatenate([np.arange(TEACHERS), np.full(ROWS, TEACHERS)])
    if broken == "rows for patients":
        unit = np.arange(len(unit))
    dealt = [pate_gan.deal(unit, TEACHERS, rng) for _ in range(50)]
    swayed = rng.choice([sum((own >= TEACHERS).any() for own in parts) for parts in dealt], inside.shape)
    counts = np.repeat(TEACHERS // 2 + (swayed * inside).ravel(), 2 * QUERIES if broken == "twice" else QUERIES)
    answers = pate_gan.noisy_votes(counts, TEACHERS, 0.0 if broken == "noise" else sigma, rng)
    yes, no = (log_ndtr(side / sigma) - np.log(0.5) for side in (1, -1))
    return np.where(answers > 0, yes, no).reshape(*inside.shape, -1).sum(2), inside


def votes_accused(seed: int, runs: int, broken: str = "") -> bool:
    scores, inside = votes_audited(seed, runs, broken)
    return exceeds(judge(scores, inside, CLAIM, 0.05), CLAIM)


def test_honest_votes_pass_and_the_audit_is_no_dud():
    accused = sum(votes_accused(seed, 100) for seed in range(SEEDS))
    assert accused <= binom.ppf(0.999, SEEDS, 0.05)
    proved = judge(*votes_audited(0, 2000), CLAIM, 0.05).together
    assert 0.6 * CLAIM.epsilon < proved < CLAIM.epsilon


@pytest.mark.parametrize(("broken", "runs"), [("noise", 20), ("rows for patients", 100), ("twice", 6000)])
def test_broken_votes_are_caught_in_19_of_20_seeds(broken, runs):
    assert sum(votes_accused(seed, runs, broken) for seed in range(SEEDS)) >= 19


# An outlier, and bounds taken from the rows: what is released reaches as far as the rows do.


@pytest.mark.parametrize("name", BOTH)
def test_bounds_from_rows_are_caught_in_19_of_20_seeds(name):
    """By 12 releases a seed of a plain table, with an outlier or without."""
    inside = np.random.default_rng(7).random((SEEDS, 3, 4)) < 0.5
    age = Field("age", (), 0.0, 1000.0)
    plain = np.column_stack([np.linspace(30, 80, 40), np.arange(40) % 2.0])
    farthest = np.zeros(inside.shape)
    for enters in (False, True):
        cells = np.vstack([plain, [[1000.0, 1.0]]]) if enters else plain
        schema = Schema((replace(age, upper=float(cells[:, 0].max())), Field("outcome", ("a", "b"))))
        count = int((inside == enters).sum())
        short = {"steps": 1} if name == "dp_gan" else {"rounds": 1}
        made = run(name, [cells] * count, [20] * count, rngs(count), schema, **short)
        farthest[inside == enters] = [np.nanmax(own[:, 0]) for own in made.samples]
    accused = [exceeds(judge(*pair, CLAIM, 0.05), CLAIM) for pair in zip(farthest, inside, strict=True)]
    assert sum(accused) >= 19
