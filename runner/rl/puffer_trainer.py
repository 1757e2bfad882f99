"""PufferLib's own trainer on many clusters of Doctor-v0: a program for the Python of `rl setup`'s environment.

    python -I -m runner.rl.puffer_trainer < REQUEST

The request on stdin is a JSON object: `epochs`, `epoch_steps`, `max_steps`, `seed`, `environments`, `settings` (those
of `PPOSettings`) and `weights`, the file to write. A line of JSON on stdout tells of each epoch; the networks, which
are those of the agent ppo, go to `weights` as safetensors. What PufferLib prints goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import pufferlib.pufferl
import pufferlib.vector
import torch
from torch import Tensor, nn

from agents.ppo.memory import memory_size
from agents.ppo.network import ACTOR, CRITIC, initial_weights, inputs, layout
from agents.ppo.ppo import ActorCritic
from agents.ppo.settings import PPOSettings
from agents.saved import checkpoint
from agents.saved.files import write_atomic
from agents.settings import parse_settings
from agents.spaces import doctor as doctor_spaces
from env.doctor.reward import SOLVED
from env.settings import MAX_ENVS
from runner.rl.exam import EXAM_SEED
from runner.rl.puffer import DoctorPufferEnv

REWARD_SCALE = 0.5 / SOLVED
"""PufferLib's trainer cuts rewards to [-1, 1]; so scaled, none is cut."""
_NEVER = 1 << 62


class Policy(nn.Module):
    """The agent ppo's networks as PufferLib calls a policy; here they learn to do without a memory."""

    def __init__(self, settings: PPOSettings, seed: int) -> None:
        super().__init__()
        spaces = doctor_spaces()
        self._reward_scale = settings.reward_scale
        self._memory = memory_size(spaces)
        self.networks = ActorCritic(spaces, settings.hidden)
        first = initial_weights(layout(settings, spaces), seed)
        for net in (ACTOR, CRITIC):
            first[f"{net}.0.weight"][:, inputs(spaces) - self._memory :] = 0.0
        self.networks.load_state_dict({name: torch.from_numpy(array) for name, array in first.items()})

    def forward_eval(self, states: Tensor, state: Any = None) -> tuple[Tensor, Tensor]:
        """Logits and values; `state` is a recurrent net's, which this is not."""
        known = nn.functional.pad(states, (0, self._memory))
        return self.networks.logits(known, None), self.networks.values(known)

    def forward(self, states: Tensor, state: Any = None) -> tuple[Tensor, Tensor]:
        """The same in training."""
        return self.forward_eval(states, state)

    def weights(self) -> dict[str, Any]:
        """The tensors by name, with a critic of rewards that are scaled as the agent ppo has them."""
        tensors = {name: tensor.detach().cpu().clone() for name, tensor in self.networks.named_parameters()}
        last = max(int(name.split(".")[1]) for name in tensors if name.startswith(CRITIC))
        for part in ("weight", "bias"):
            tensors[f"{CRITIC}.{last}.{part}"] *= self._reward_scale / REWARD_SCALE
        return {name: tensor.numpy() for name, tensor in tensors.items()}


class Trainer(pufferlib.pufferl.PuffeRL):  # type: ignore[misc]
    """PufferLib's, without its dashboard and its pickled checkpoints."""

    def print_dashboard(self, *_: Any, **__: Any) -> None:
        """Nothing: a line of JSON tells of each epoch."""

    def save_checkpoint(self) -> str:
        """Nothing is saved on the way."""
        return ""


def run(request: Mapping[str, Any], told: TextIO) -> None:
    """Train, telling of each epoch; write the weights in the end."""
    settings = parse_settings(PPOSettings, request["settings"])
    torch.manual_seed(request["seed"])
    torch.set_num_threads(1)
    envs = pufferlib.vector.make(
        DoctorPufferEnv,
        env_kwargs={
            "num_envs": request["environments"],
            "max_steps": request["max_steps"],
            "reward_scale": REWARD_SCALE,
        },
        num_envs=1,
        backend=pufferlib.vector.PufferEnv,
    )
    policy = Policy(settings, request["seed"])
    config = trainer_config(request, settings)
    trainer = Trainer(config, envs, policy.to(config["device"]))
    try:
        for epoch in range(1, request["epochs"] + 1):
            ended: dict[str, list[float]] = {}
            while trainer.global_step < epoch * request["epoch_steps"]:
                for name, values in trainer.evaluate().items():
                    ended.setdefault(name, []).extend(values)
                trainer.stats.clear()
                trainer.train()
            json.dump(_measured(epoch, trainer, ended), told)
            told.write("\n")
            told.flush()
    finally:
        trainer.utilization.stop()
    write_atomic(Path(request["weights"]), checkpoint.write(policy.weights()))


def trainer_config(request: Mapping[str, Any], settings: PPOSettings) -> dict[str, Any]:
    """PufferLib's settings: ours where it has the same, its own defaults else."""
    environments = request["environments"]
    horizon = max(1, settings.rollout_steps // environments)
    minibatch = max(1, min(settings.minibatch_size // horizon, environments)) * horizon
    return {
        "env": "Doctor-v0",
        "seed": request["seed"] % (EXAM_SEED // MAX_ENVS),
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "total_timesteps": request["epochs"] * request["epoch_steps"],
        "batch_size": horizon * environments,
        "bptt_horizon": horizon,
        "minibatch_size": minibatch,
        "max_minibatch_size": minibatch,
        "update_epochs": settings.epochs,
        "optimizer": "adam",
        "learning_rate": settings.learning_rate,
        "anneal_lr": True,
        "adam_beta1": 0.9,
        "adam_beta2": 0.999,
        "adam_eps": 1e-5,
        "gamma": settings.gamma,
        "gae_lambda": settings.gae_lambda,
        "clip_coef": settings.clip,
        "vf_clip_coef": settings.clip,
        "vf_coef": settings.value,
        "ent_coef": (settings.entropy + settings.entropy_end) / 2.0,
        "max_grad_norm": settings.max_gradient,
        "prio_alpha": 0.8,
        "prio_beta0": 0.2,
        "vtrace_rho_clip": 1.0,
        "vtrace_c_clip": 1.0,
        "torch_deterministic": True,
        "cpu_offload": False,
        "use_rnn": False,
        "compile": False,
        "precision": "float32",
        "checkpoint_interval": _NEVER,
        "data_dir": os.devnull,
    }


def _measured(epoch: int, trainer: Trainer, ended: Mapping[str, list[float]]) -> dict[str, float]:
    names = {"episode_return": "return", "episode_length": "length", "is_success": "solved"}
    means = {names[name]: sum(values) / len(values) for name, values in ended.items() if name in names and values}
    return {"epoch": epoch, "env_steps": trainer.global_step, **means, **trainer.losses}


if __name__ == "__main__":
    told = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        run(json.load(sys.stdin), told)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # a thread of PufferLib's would go on
