"""The user's configuration file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from env.errors import ConfigError
from runner.rl.config import PufferConfig, config_path, load_config, save_config


@pytest.fixture
def write(home: Path) -> Callable[[Any], None]:
    """Writes the file."""

    def make(document: Any) -> None:
        config_path().parent.mkdir(exist_ok=True)
        config_path().write_text(document if isinstance(document, str) else json.dumps(document))

    return make


def test_without_a_file_there_are_defaults(home: Path) -> None:
    assert load_config() == PufferConfig()


def test_fields_have_the_names_that_other_cluster_agents_use(write: Callable[[Any], None]) -> None:
    training = {"learningRate": 3e-4, "batchSize": 64, "numEpochs": 10, "gamma": 0.99, "numEnvs": 4, "numSteps": 128}
    paths = {"pythonPath": "/p", "envPath": "/e", "modelPath": "/m"}
    write({"pufferlib": {"enabled": True, **paths, "trainingConfig": training}})
    found = load_config()
    assert (found.enabled, found.pythonPath, found.envPath, found.modelPath) == (True, "/p", "/e", "/m")
    assert found.trainingConfig.model_dump() == training


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"pufferlib": {"modelpath": "x"}}, "pufferlib.modelpath: unknown; did you mean 'modelPath'?"),
        (
            {"pufferlib": {"trainingConfig": {"learning_rate": 1}}},
            "pufferlib.trainingConfig.learning_rate: unknown; did",
        ),
        ({"pufferlib": {"trainingConfig": {"gamma": 2}}}, "pufferlib.trainingConfig.gamma: "),
        ({"pufferlib": 3}, "pufferlib: "),
        ([], "must be a JSON object"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(write: Callable[[Any], None], document: Any, said: str) -> None:
    write(document)
    with pytest.raises(ConfigError) as raised:
        load_config()
    assert str(raised.value).startswith(f"{config_path()}: ")
    assert said in str(raised.value)


def test_writing_the_block_leaves_the_rest_of_the_file(write: Callable[[Any], None]) -> None:
    write({"other": [1], "pufferlib": {"gone": 1}})
    save_config(PufferConfig(enabled=True))
    assert json.loads(config_path().read_text()) == {"other": [1], "pufferlib": {"enabled": True}}
