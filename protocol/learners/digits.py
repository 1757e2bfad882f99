"""A classifier of handwritten digits as a `Learner`: the data set that scikit-learn ships, shared out by label.

1,797 pictures of 8 x 8 pixels (Alpaydin and Kaynak, UCI, 1998). A fifth of them, the same for all members, is kept for
the test. `split=labels` gives each member other digits than the rest have, so that only an average knows all ten.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import BaseModel, Field
from torch import nn

from protocol.learners.learner import Epoch, Task

if (SKLEARN := find_spec("sklearn")) is None:  # only its file is read: importing it takes longer than an epoch
    raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")
DATA = Path(str(SKLEARN.origin)).parent / "datasets/data/digits.csv.gz"


class DigitsSettings(BaseModel):
    """What `--set` sets."""

    hidden: int = Field(default=64, ge=1, le=1024)
    learning_rate: float = Field(default=0.2, gt=0, le=10)
    batch_size: int = Field(default=32, ge=1, le=1024)
    passes: int = Field(default=1, ge=1, le=1000, description="over the member's pictures in an epoch")
    split: Literal["labels", "even"] = "labels"
    proximal: float = Field(default=0.0, ge=0, description="mu of FedProx")


class Digits:
    """A network with one hidden layer, trained by stochastic gradient descent (SGD)."""

    Settings: ClassVar[type[BaseModel]] = DigitsSettings

    def __init__(self, settings: DigitsSettings, task: Task) -> None:
        self.settings = settings
        torch.set_num_threads(1)  # the bits of a sum depend on how many there are
        generator = torch.Generator().manual_seed(task.seed)
        layers = nn.Linear(64, settings.hidden), nn.Linear(settings.hidden, 10)
        self.model = nn.Sequential(layers[0], nn.ReLU(), layers[1])
        with torch.no_grad():
            for layer in layers:
                bound = layer.in_features**-0.5
                layer.weight.uniform_(-bound, bound, generator=generator)
                layer.bias.zero_()
        with gzip.open(DATA) as file:
            rows = np.loadtxt(file, delimiter=",")
        x, y = torch.tensor(rows[:, :-1] / 16, dtype=torch.float32), torch.tensor(rows[:, -1], dtype=torch.int64)
        order = np.random.default_rng(task.seed).permutation(len(y))
        test, train = np.split(order, [len(y) // 5])
        by_label = np.argsort(rows[train, -1], kind="stable")
        mine = np.array_split(train[by_label] if settings.split == "labels" else train, task.members)[task.member]
        self.x, self.y, self.test_x, self.test_y = x[mine], y[mine], x[test], y[test]

    def train(self, epoch: int, seed: int, may_stop: Callable[[], None]) -> Epoch:
        """So many passes; the reward is the accuracy of the weights that the epoch began with."""
        generator, accuracy, parameters = (
            torch.Generator().manual_seed(seed),
            self.accuracy(),
            [*self.model.parameters()],
        )
        began_with = [parameter.detach().clone() for parameter in parameters]
        for _ in range(self.settings.passes):
            order = torch.randperm(len(self.y), generator=generator)
            for batch in torch.split(order, self.settings.batch_size):
                may_stop()
                loss = nn.functional.cross_entropy(self.model(self.x[batch]), self.y[batch])
                if self.settings.proximal:
                    pairs = zip(parameters, began_with, strict=True)
                    loss = loss + self.settings.proximal / 2 * sum(((now - then) ** 2).sum() for now, then in pairs)
                gradients = torch.autograd.grad(loss, parameters)
                with torch.no_grad():
                    for parameter, gradient in zip(parameters, gradients, strict=True):
                        parameter.sub_(gradient, alpha=self.settings.learning_rate)
        return Epoch(steps=self.settings.passes * len(self.y), reward=accuracy)

    def accuracy(self) -> float:
        """The share of the test pictures that are told right."""
        return float((self.model(self.test_x).argmax(1) == self.test_y).double().mean())

    def state(self) -> Mapping[str, Any]:
        return {"weights": self.weights()}  # SGD has no other, and every epoch has a seed of its own

    def restore(self, state: Mapping[str, Any]) -> None:
        self.load_weights(state["weights"])

    def weights(self) -> Mapping[str, Any]:
        return {name: tensor.numpy() for name, tensor in self.model.state_dict().items()}

    def load_weights(self, weights: Mapping[str, Any]) -> None:
        self.model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
