"""Time federated rounds: in process, a bank of replicates at once, and Flower's simulation with Ray.

    python benchmarks/federated_rounds.py [--rounds N] [--repeats N] [--replicates K]

Five clients with 1,000 rows each, MLP 64-128-64-1, batches of 64, FedAvg over 20 rounds of one local epoch; one thread
a process. All ways take the same client step (`medpriv.federated.client.respond`) on the same batches, so that they end
with the same weights; how far apart Flower's and ours are is printed, and more than 1e-5 is an error. Each run is a
process of its own; the ways take turns, and medians over the repeats are stated, of the rounds alone ("rounds": Flower
starts Ray's workers within) and of the whole process ("all"). Flower's simulation needs Ray, which medpriv does not:
`pip install "flwr[simulation]==1.41.0"` into an environment beside medpriv's own; without Ray its row is left out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec

CLIENTS, ROWS, FEATURES, SEED = 5, 1000, 64, 1
GAP = 1e-5  # of weights, at most; orders of addition differ
LIMIT = 6.0  # times quicker than Flower's simulation that the rounds in process shall be


def main() -> None:
    """Print the table, or do one run of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--replicates", type=int, default=16)
    parser.add_argument("--once", choices=list(WAYS), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.once:
        print(json.dumps(WAYS[chosen.once](chosen.rounds, chosen.replicates)))
        return
    ways = [name for name in WAYS if name != "flower" or find_spec("ray")]
    found: dict[str, list[dict]] = {name: [] for name in ways}
    for _ in range(chosen.repeats):
        for name in ways:
            found[name].append(measure(name, chosen))
    report(found, chosen)


def measure(name: str, chosen: argparse.Namespace) -> dict:
    """Return a run's figures, from a process of its own."""
    command = [sys.executable, __file__, "--once", name, "--rounds", str(chosen.rounds)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    quiet = {"RAY_DEDUP_LOGS": "0", "FLWR_TELEMETRY_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    begun = time.perf_counter()
    done = subprocess.run(
        [*command, "--replicates", str(chosen.replicates)],
        env=os.environ | threads | quiet,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1]) | {"all": time.perf_counter() - begun}


def report(found: dict[str, list[dict]], chosen: argparse.Namespace) -> None:
    """Print medians side by side."""
    print(f"{CLIENTS} clients, {chosen.rounds} rounds, {ROWS} rows each, medians of {chosen.repeats}\n")
    print(f"{'':34}{'rounds':>9}{'all':>9}{'accuracy':>10}")
    titles = {"process": "in process", "bank": f"{chosen.replicates} replicates at once", "flower": "Flower, Ray"}
    middle = {
        name: {key: statistics.median(run[key] for run in runs) for key in ("rounds", "all")}
        for name, runs in found.items()
    }
    for name, runs in found.items():
        seconds = "".join(f"{middle[name][key]:>7.2f} s" for key in ("rounds", "all"))
        print(f"{titles[name]:34}{seconds}{runs[0]['accuracy']:>10.4f}")
    if "flower" not in found:
        print('\nNo Ray here: pip install "flwr[simulation]==1.41.0" into an environment of its own to compare.')
        return
    ours, theirs = (found[way][0]["weights"] for way in ("process", "flower"))
    gap = max(abs(one - other) for one, other in zip(ours, theirs, strict=True))
    print(f"\nlargest difference of weights between Flower's and ours: {gap:.1e}")
    if not gap < GAP:
        raise SystemExit("that is more than rounding: the ways did not train the same model")
    for key in ("rounds", "all"):
        times = middle["flower"][key] / middle["process"][key]
        mark = "" if times >= LIMIT else f", below the {LIMIT:g} times aimed at"
        print(f"in process is {times:.1f} times quicker ({key}){mark}")


def data() -> tuple:
    """Return x [N, 64], y and the client of each record; the last fifth of each client's is for testing."""
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.standard_normal((CLIENTS * ROWS * 6 // 5, FEATURES)).astype(np.float32)
    y = (x[:, :8].sum(1) + np.abs(x[:, 8:12]).sum(1) - 3.2 > 0).astype(np.int64)
    holder = np.arange(len(x)) % CLIENTS
    return x, y, holder, np.arange(len(x)) >= CLIENTS * ROWS


def prepare() -> tuple:
    """Return network, strategy, schedule and first parameters [1, ...]."""
    import numpy as np
    import torch

    from medpriv.federated.client import LocalSchedule
    from medpriv.federated.server import build_strategy
    from medpriv.models import mlp
    from medpriv.seeds import generator

    torch.set_num_threads(1)
    network = mlp.build((FEATURES,), 1, {"hidden": [128, 64]})
    start = network.initial(generator(SEED, "bench", "fed-avg", 0, "initial"))
    schedule = LocalSchedule(batch_size=64, learning_rate=0.1)
    return network, build_strategy("avg", {}, network, start), schedule, {n: np.stack([v]) for n, v in start.items()}


def judged(network, parameters: dict, began: float) -> dict:
    """Return a run's figures."""
    from medpriv.bank import engine

    seconds = time.perf_counter() - began
    x, y, _, test = data()
    right = engine.logits(network, parameters, x[test]).argmax(-1) == y[test]
    weights = parameters["hidden1.weight"][0].ravel()[:1000].tolist() + parameters["output.weight"][0].ravel().tolist()
    return {"rounds": seconds, "accuracy": float(right.mean()), "weights": weights}


def in_process(rounds: int, replicates: int) -> dict:
    """Run one federation by `medpriv.federated.rounds`."""
    return bank(rounds, 1)


def bank(rounds: int, replicates: int) -> dict:
    """Run several federations at once."""
    import numpy as np

    network, strategy, schedule, _ = prepare()
    from medpriv.federated.rounds import Names, run

    x, y, holder, test = data()
    members = np.tile(~test, (replicates, 1))
    names = Names(SEED, "bench", "fed-avg", tuple(range(replicates)))
    began = time.perf_counter()
    clients = [f"client{c}" for c in range(CLIENTS)]
    outcome = run(network, x, y, members, clients, holder, strategy, schedule, rounds, names)
    return judged(network, outcome.parameters, began)


def flower(rounds: int, replicates: int) -> dict:
    """Run one federation by Flower's simulation: its FedAvg, its messages, Ray's workers."""
    import logging

    from flwr.app import ArrayRecord, ConfigRecord, Context
    from flwr.serverapp import Grid, ServerApp
    from flwr.serverapp.strategy import FedAvg
    from flwr.simulation import run_simulation

    logging.getLogger("flwr").setLevel(logging.ERROR)
    network, _, _, start = prepare()
    server, results = ServerApp(), []

    @server.main()
    def serve(grid: Grid, context: Context) -> None:
        averaging = FedAvg(fraction_evaluate=0.0, min_train_nodes=CLIENTS, min_available_nodes=CLIENTS)
        results.append(
            averaging.start(
                grid=grid,
                initial_arrays=ArrayRecord({name: _array(value[0]) for name, value in start.items()}),
                train_config=ConfigRecord({}),
                num_rounds=rounds,
            )
        )

    began = time.perf_counter()
    run_simulation(
        server_app=server,
        client_app=client_app(),
        num_supernodes=CLIENTS,
        backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0.0}},
    )
    return judged(network, {name: array.numpy()[None] for name, array in results[0].arrays.items()}, began)


def client_app():
    """Return Flower's client: medpriv's step on the client's own rows."""
    from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
    from flwr.clientapp import ClientApp

    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        import numpy as np
        import torch

        from medpriv.bank.stack import arranged
        from medpriv.federated.client import order_generator, respond

        network, strategy, schedule, _ = prepare()
        x, y, holder, test = data()
        number, client = int(message.content["config"]["server-round"]) - 1, int(context.node_config["partition-id"])
        own = (holder == client) & ~test
        order = order_generator(SEED, "bench", "fed-avg", 0, f"client{client}", number)
        sent = {name: array.numpy()[None] for name, array in message.content["arrays"].items()}
        members, labels = np.ones((1, own.sum()), bool), torch.from_numpy(y[own])
        records = arranged(network, x[own])
        answer = respond(network, strategy.client, sent, {}, records, labels, members, schedule, [order])
        arrays = ArrayRecord({name: _array(value[0]) for name, value in answer.sent.items()})
        metrics = MetricRecord({"num-examples": int(own.sum())})
        return Message(content=RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)

    return app


def _array(value):
    """Return an array as Flower holds it."""
    from flwr.app import Array

    return Array(value)


WAYS = {"process": in_process, "bank": bank, "flower": flower}

if __name__ == "__main__":
    main()
