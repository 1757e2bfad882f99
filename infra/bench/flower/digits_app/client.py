"""A Flower client that trains one member's share by the learner `digits`."""

from __future__ import annotations

import time

from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from protocol.learners.digits import Digits, DigitsSettings
from protocol.learners.learner import Task
from protocol.learners.named import seed_of

app = ClientApp()


@app.train()  # type: ignore[untyped-decorator]
def train(message: Message, context: Context) -> Message:
    """One epoch from the weights that the server sent."""
    member, members = (int(context.node_config[name]) for name in ("partition-id", "num-partitions"))
    seed, rounds = int(context.run_config["seed"]), int(context.run_config["rounds"])
    learner = Digits(DigitsSettings(), Task(seed_of(seed), member, members, rounds))
    learner.load_weights({name: array.numpy().copy() for name, array in message.content["arrays"].items()})
    number = int(message.content["config"]["server-round"])
    began = time.perf_counter()
    done = learner.train(number, seed_of(seed, member, number), lambda: None)
    metrics = MetricRecord({"num-examples": done.steps, "train-s": time.perf_counter() - began})
    arrays = ArrayRecord({name: Array(array) for name, array in learner.weights().items()})
    return Message(content=RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)
