"""The user's file `~/.sim-arena/config.json`: its block `pufferlib`, with the names of fields that it has elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from env.errors import ConfigError, OutputError, nearest, reason

BLOCK = "pufferlib"
_LONGEST = 1 << 20


class TrainingConfig(BaseModel):
    """Defaults of `sim-arena rl train`; None: its own default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    learningRate: Annotated[float, Field(gt=0, le=1)] | None = None
    batchSize: Annotated[int, Field(ge=1, le=2**24)] | None = None
    numEpochs: Annotated[int, Field(ge=1, le=1000)] | None = None
    gamma: Annotated[float, Field(gt=0, le=1)] | None = None
    numEnvs: Annotated[int, Field(ge=1, le=2**20)] | None = None
    numSteps: Annotated[int, Field(ge=1, le=2**20)] | None = None


class PufferConfig(BaseModel):
    """The block `pufferlib`.

    Attributes:
        enabled: Whether `rl setup` has made an environment that is there still.
        pythonPath: The Python that makes it; None: the one that runs.
        envPath: Where it is; None: `pufferlib-env` beside the file.
        modelPath: The model that diagnoses where none is named; None: the round by hand.
        trainingConfig: Defaults of training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = False
    pythonPath: str | None = None
    envPath: str | None = None
    modelPath: str | None = None
    trainingConfig: TrainingConfig = TrainingConfig()


def home() -> Path:
    """The user's folder for Sim-Arena."""
    return Path.home() / ".sim-arena"


def config_path() -> Path:
    """The file."""
    return home() / "config.json"


def models_folder() -> Path:
    """Where models are looked for by name."""
    return home() / "models"


def environment_folder(config: PufferConfig) -> Path:
    """Where PufferLib's environment is."""
    return Path(config.envPath).expanduser() if config.envPath else home() / "pufferlib-env"


def load_config() -> PufferConfig:
    """The block of the file; its defaults where there is none.

    Raises:
        ConfigError: The file cannot be read, or has a field that does not exist or a value out of range.
    """
    path = config_path()
    block = _document(path).get(BLOCK, {})
    try:
        return PufferConfig.model_validate(block)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join((BLOCK, *map(str, first["loc"])))
        if first["type"] == "extra_forbidden":
            model = TrainingConfig if len(first["loc"]) > 1 else PufferConfig
            raise ConfigError(
                f"{path}: {name}: unknown; {nearest(str(first['loc'][-1]), model.model_fields)}"
            ) from error
        raise ConfigError(f"{path}: {name}: {reason(first)}") from error


def save_config(config: PufferConfig) -> None:
    """Write the block; other blocks of the file stay.

    Raises:
        ConfigError: The file that is there cannot be read.
        OutputError: It cannot be written.
    """
    path = config_path()
    document = {**_document(path), BLOCK: config.model_dump(exclude_defaults=True)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".json.part")
        part.write_text(json.dumps(document, indent=2) + "\n")
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def _document(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(_LONGEST + 1)
        document = json.loads(data) if len(data) <= _LONGEST else None
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is no JSON ({error})") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: must be a JSON object of at most {_LONGEST} bytes")
    return document
