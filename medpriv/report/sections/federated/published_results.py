"""Figures that others have published, for a comparison with ours; each with where it was read.

`medpriv.report.sections.federated.flamby` sets them on the page, `benchmarks/fed_heart_disease.py` repeats the work
behind them.
"""

# FLamby's Fed-Heart-Disease (du Terrail et al., NeurIPS 2022, datasets and benchmarks): accuracy on test patients,
# means over the five seeds of owkin/FLamby, flamby/results/results_benchmark_fed_heart_disease/heart_seed{42..46}.csv
# (at commits a422b61 and f553c7a; older ones have another standardisation). Its clients 0 to 3 are `HOSPITALS`.
HOSPITALS = ("cleveland", "hungarian", "switzerland", "va")
PATIENTS = {"train": 486, "test": 254}
ACCURACY = {  # trained how or by which client alone: on the pooled test, then at each hospital
    "pooled": (0.795, 0.783, 0.764, 0.750, 0.644),
    "local 0": (0.784, 0.746, 0.760, 0.725, 0.658),
    "local 1": (0.727, 0.746, 0.746, 0.525, 0.498),
    "local 2": (0.483, 0.481, 0.391, 0.725, 0.671),
    "local 3": (0.611, 0.577, 0.467, 0.800, 0.702),
    "avg": (0.748, 0.731, 0.719, 0.650, 0.640),
    "prox": (0.748, 0.731, 0.719, 0.650, 0.640),
    "scaffold": (0.748, 0.727, 0.719, 0.650, 0.640),
    "adam": (0.779, 0.752, 0.746, 0.738, 0.667),
    "yogi": (0.779, 0.760, 0.753, 0.738, 0.676),
    "cyclic": (0.785, 0.758, 0.762, 0.712, 0.640),
}
CLIENT_RATES = {"avg": 0.001, "prox": 0.001, "scaffold": 0.001, "adam": 0.01, "yogi": 0.003162, "cyclic": 0.01}
SERVER = {"server_rate": 0.01, "beta1": 0.9, "beta2": 0.999, "tau": 1e-8}  # of FedAdam and FedYogi
ROUNDS, LOCAL_STEPS, SEEDS = 15, 100, 5
