"""A Flower server that averages by FedAvg, and writes a line for each round: when it ended, and how the model does."""

from __future__ import annotations

import json
import time
from pathlib import Path

from flwr.app import Array, ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from protocol.learners.digits import Digits, DigitsSettings
from protocol.learners.learner import Task
from protocol.learners.named import seed_of

app = ServerApp()


@app.main()  # type: ignore[untyped-decorator]
def main(grid: Grid, context: Context) -> None:
    """All rounds, from the weights that our federation starts from."""
    seed, rounds, members = (int(context.run_config[name]) for name in ("seed", "rounds", "members"))
    learner = Digits(DigitsSettings(), Task(seed_of(seed), 0, members, rounds))
    first = ArrayRecord({name: Array(array) for name, array in learner.weights().items()})

    def evaluate(number: int, arrays: ArrayRecord) -> MetricRecord:
        learner.load_weights({name: array.numpy().copy() for name, array in arrays.items()})
        line = {"round": number, "at": time.time(), "accuracy": learner.accuracy()}
        with Path(str(context.run_config["log"])).open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        return MetricRecord({"accuracy": line["accuracy"]})

    strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=members, min_available_nodes=members)
    strategy.start(grid=grid, initial_arrays=first, num_rounds=rounds, evaluate_fn=evaluate)
