"""PPO's arithmetic, held against the formulas of the papers written another way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from agents.adam import make_optimizer
from agents.ppo.network import initial_weights, layout
from agents.ppo.ppo import (
    METRICS,
    ActorCritic,
    Batch,
    Rollout,
    advantages,
    encoded,
    log_probs_of,
    loss,
    normalised,
    sample,
    update,
)
from agents.ppo.settings import PPOSettings
from agents.spaces import Spaces

TOY = Spaces("Toy-v0", ("left", "right", "both"), ("a", "b", "c", "d"), masked=True)
SETTINGS = PPOSettings(hidden=(5, 4), gamma=0.9, gae_lambda=0.8, clip=0.2, minibatch_size=7, epochs=2)


def network(seed: int = 0, settings: PPOSettings = SETTINGS) -> ActorCritic:
    made = ActorCritic(TOY, settings.hidden)
    weights = initial_weights(layout(settings, TOY), seed)
    made.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return made


def rollout(steps: int, environments: int, seed: int = 0) -> Rollout:
    rng = np.random.default_rng(seed)
    made = Rollout.empty(steps, environments, TOY)
    made.states[:] = rng.normal(size=made.states.shape)
    made.next_states[:] = rng.normal(size=made.next_states.shape)
    made.rewards[:] = rng.normal(size=made.rewards.shape)
    made.actions[:] = rng.integers(4, size=made.actions.shape)
    made.log_probs[:] = np.log(rng.uniform(0.1, 0.5, made.log_probs.shape))
    made.terminated[:] = rng.random(made.terminated.shape) < 0.2
    made.ended[:] = made.terminated | (rng.random(made.ended.shape) < 0.2)
    return made


def updated(
    given: Rollout, settings: PPOSettings = SETTINGS, masked: bool = True
) -> tuple[ActorCritic, dict[str, float]]:
    made = network(settings=settings)
    metrics = update(
        made, make_optimizer(made), given, settings,
        masked=masked, learning_rate=1e-2, entropy_weight=0.01, anchor={}, rng=np.random.default_rng(0),
    )  # fmt: skip
    return made, metrics


def numbers(made: ActorCritic) -> list[float]:
    return torch.cat([parameter.detach().ravel() for parameter in made.parameters()]).tolist()


def test_the_advantages_are_the_sums_that_the_paper_writes() -> None:
    given = rollout(12, 3)
    values, next_values = np.random.default_rng(1).normal(size=(2, 12, 3)).astype(np.float32)
    found = advantages(given, values, next_values, SETTINGS)
    for n in range(3):
        for t in range(12):
            wanted, weight = 0.0, 1.0
            for k in range(t, 12):
                following = 0.0 if given.terminated[k, n] else float(next_values[k, n])
                wanted += weight * (float(given.rewards[k, n]) + 0.9 * following - float(values[k, n]))
                if given.ended[k, n]:
                    break
                weight *= 0.9 * 0.8
            assert found[t, n] == pytest.approx(wanted, rel=1e-5, abs=1e-5)


def test_with_lambda_1_they_are_the_discounted_rewards_and_with_lambda_0_the_errors_of_one_step() -> None:
    given = Rollout.empty(3, 1, TOY)
    given.rewards[:, 0] = 1.0, 2.0, 4.0
    given.terminated[2] = given.ended[2] = True
    values, next_values = np.array([[10.0], [20.0], [30.0]], np.float32), np.array([[20.0], [30.0], [99.0]], np.float32)
    for lambda_, wanted in ((1.0, [1 + 1 + 1 - 10, 2 + 2 - 20, 4 - 30]), (0.0, [1 + 10 - 10, 2 + 15 - 20, 4 - 30])):
        found = advantages(given, values, next_values, PPOSettings(gamma=0.5, gae_lambda=lambda_))
        assert found[:, 0].tolist() == wanted


def test_a_truncated_episode_is_bootstrapped_and_a_terminated_one_is_not() -> None:
    given = Rollout.empty(2, 2, TOY)
    given.terminated[0, 0] = given.ended[0] = True
    ones = np.ones((2, 2), np.float32)
    assert advantages(given, 0 * ones, 7 * ones, PPOSettings(gamma=0.5))[0].tolist() == [0.0, 3.5]


def batch(m: int, seed: int = 0) -> Batch:
    """In float64, with ratios on both sides of both ends of the clipping range, and masks."""
    rng = np.random.default_rng(seed)
    masks = rng.random((m, 4)) < 0.7
    actions = rng.integers(4, size=(m, 1))
    np.put_along_axis(masks, actions, True, 1)
    return Batch(
        torch.from_numpy(rng.normal(size=(m, 3))),
        torch.from_numpy(actions),
        torch.from_numpy(np.log(rng.uniform(0.1, 0.9, m))),
        torch.from_numpy(rng.normal(size=m)),
        torch.from_numpy(rng.normal(size=m)),
        torch.from_numpy(masks),
    )


def test_the_loss_is_the_papers_written_step_by_step() -> None:
    made, given = network().double(), batch(40)
    found = dict(zip(METRICS, loss(made, given, True, 0.03, SETTINGS).tolist(), strict=True))
    policy = value = entropy = clipped = kl = 0.0
    for state, action, before, advantage, wanted, mask in zip(*given, strict=True):
        logits = made.actor(state).tolist()
        weights = [np.exp(logit) if allowed else 0.0 for logit, allowed in zip(logits, mask.tolist(), strict=True)]
        chances = [weight / sum(weights) for weight in weights]
        ratio = chances[int(action)] / np.exp(float(before))
        policy -= min(ratio * float(advantage), min(max(ratio, 0.8), 1.2) * float(advantage)) / 40
        value += 0.5 * (made.critic(state).item() - float(wanted)) ** 2 / 40
        entropy -= sum(chance * np.log(chance) for chance in chances if chance > 0) / 40
        clipped += (not 0.8 <= ratio <= 1.2) / 40
        kl += (ratio - 1 - np.log(ratio)) / 40
    assert found["policy_loss"] == pytest.approx(policy)
    assert found["value_loss"] == pytest.approx(value)
    assert found["entropy"] == pytest.approx(entropy)
    assert found["clip_fraction"] == pytest.approx(clipped)
    assert found["approx_kl"] == pytest.approx(kl)
    assert found["loss"] == pytest.approx(policy + 0.5 * value - 0.03 * entropy)
    assert 0.2 < clipped < 1.0


def test_the_gradient_of_the_loss_is_that_of_finite_differences() -> None:
    made, given = network().double(), batch(40)
    loss(made, given, True, 0.03, SETTINGS)[0].backward()  # type: ignore[no-untyped-call]
    for parameter in made.parameters():
        assert parameter.grad is not None
        flat, slopes = parameter.data.ravel(), parameter.grad.ravel()
        for i in range(len(flat)):
            before, ends = float(flat[i]), []
            for step in (1e-6, -1e-6):
                flat[i] = before + step
                ends.append(loss(made, given, True, 0.03, SETTINGS)[0].item())
            flat[i] = before
            assert float(slopes[i]) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-4, abs=1e-8)


def test_a_step_beyond_the_clipping_range_moves_the_policy_no_further() -> None:
    made = network().double()
    for sign, before in ((1.0, 0.01), (-1.0, 0.99)):  # now much likelier and good; much less likely and bad
        given = batch(1)._replace(
            advantages=torch.tensor([sign], dtype=torch.float64),
            log_probs=torch.tensor([np.log(before)], dtype=torch.float64),
        )
        made.zero_grad()
        loss(made, given, False, 0.0, SETTINGS)[1].backward()  # type: ignore[no-untyped-call]
        assert all(not parameter.grad.any() for parameter in made.actor.parameters() if parameter.grad is not None)


def test_normalised_advantages_have_mean_0_and_variance_1() -> None:
    found = normalised(np.random.default_rng(0).normal(3.0, 5.0, 1000).astype(np.float32))
    assert float(found.mean()) == pytest.approx(0.0, abs=1e-5)
    assert float(found.std()) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("given", [[], [3.0], [2.0, 2.0]])
def test_advantages_of_a_single_step_and_equal_ones_stay_finite(given: list[float]) -> None:
    assert np.isfinite(normalised(np.array(given, np.float32))).all()


@pytest.mark.parametrize(("steps", "environments"), [(1, 1), (1, 8), (8, 1), (5, 3)])
def test_rollouts_and_last_minibatches_of_any_size_leave_finite_weights(steps: int, environments: int) -> None:
    made, metrics = updated(rollout(steps, environments))
    assert np.isfinite(numbers(made)).all()
    assert np.isfinite(list(metrics.values())).all()


def test_what_an_environment_ignored_is_not_learned_from() -> None:
    given = rollout(6, 4)
    given.ended[2], given.taken[3] = True, False
    other = Rollout(*(column.copy() for column in given))
    for column in (other.states, other.rewards, other.next_states, other.log_probs):
        column[3] = 0.7
    assert numbers(updated(given)[0]) == numbers(updated(other)[0])


def test_masks_count_only_where_the_environment_has_them() -> None:
    given = rollout(6, 4)
    open_ = numbers(updated(given, masked=True)[0])
    given.masks[..., 3] = given.actions == 3
    assert numbers(updated(given, masked=False)[0]) == open_ != numbers(updated(given, masked=True)[0])


def test_actions_are_drawn_as_likely_as_the_softmax_says() -> None:
    logits = np.log(np.array([[0.5, 0.3, 0.2, 0.0]], np.float32) + np.float32(1e-30)) + np.float32(9)
    actions, log_probs = sample(np.repeat(logits, 20_000, 0), np.random.default_rng(0))
    assert np.bincount(actions, minlength=4) / 20_000 == pytest.approx([0.5, 0.3, 0.2, 0.0], abs=0.01)
    assert np.exp(log_probs[actions == 1]) == pytest.approx(0.3, rel=1e-4)
    assert np.array_equal(log_probs, log_probs_of(np.repeat(logits, 20_000, 0), actions))


def test_the_critic_explains_all_none_or_less_than_nothing_of_the_returns() -> None:
    given = rollout(50, 1)
    given.terminated[:] = given.ended[:] = True
    assert updated(given)[1]["explained_variance"] < 0.5
    given.rewards[:] = network().values(torch.from_numpy(given.states)).detach().numpy()
    assert updated(given)[1]["explained_variance"] == pytest.approx(1.0)


def test_the_proximal_term_pulls_towards_the_anchor() -> None:
    moved = []
    for proximal in (0.0, 100.0):
        settings = PPOSettings(hidden=(5, 4), proximal=proximal, epochs=5, max_gradient=1e6)
        made = network(settings=settings)
        anchor = {name: tensor.detach().clone() for name, tensor in made.named_parameters()}
        update(
            made, make_optimizer(made), rollout(40, 1), settings,
            masked=False, learning_rate=1e-2, entropy_weight=0.0, anchor=anchor, rng=np.random.default_rng(0),
        )  # fmt: skip
        moved.append(float(np.abs(np.subtract(numbers(made), numbers(network(settings=settings)))).sum()))
    assert moved[1] < moved[0] / 2


def test_the_names_and_shapes_without_torch_are_those_of_its_modules() -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in ActorCritic(TOY, (5, 4)).state_dict().items()}
    assert layout({"hidden": [5, 4]}, TOY) == shapes


def test_the_first_policy_is_nearly_uniform_and_every_layer_keeps_the_scale_of_its_inputs() -> None:
    weights = initial_weights(layout(), seed=3)
    assert abs(weights["actor.4.weight"]).max() < 0.01
    assert weights["critic.2.weight"].var() == pytest.approx(1 / 64, rel=0.1)
    assert not any(array.any() for name, array in weights.items() if name.endswith("bias"))


def test_shares_are_told_centred_and_scaled_themselves_and_as_logarithms() -> None:
    given, spread = torch.tensor([[0.0, 0.001, 1.0]]), torch.tensor([(0.1, 0.5, 0.2, 0.25)] * 3).T
    plain, logs = encoded(given, spread)[0].split(3)
    assert plain.tolist() == pytest.approx([-0.2, -0.198, 1.8])
    assert logs.tolist() == pytest.approx([-0.8, (np.log(2) / np.log(1001) - 0.2) / 0.25, 3.2])


def test_networks_are_told_shares_encoded_and_other_states_as_they_are() -> None:
    shares = replace(TOY, spread=((0.5, 0.1, 0.5, 0.2), (0.0, 0.1, 0.0, 0.2), (1.0, 0.2, 1.0, 0.1)))
    states = torch.rand(6, 3, generator=torch.Generator().manual_seed(0))
    of_shares = ActorCritic(shares, (5, 4))
    weights = initial_weights(layout(SETTINGS, shares), 0)
    of_shares.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    told = encoded(states, torch.tensor(shares.spread).T)
    assert torch.equal(of_shares.values(states), of_shares.critic(told).squeeze(-1))
    assert torch.equal(network().values(states), network().critic(states).squeeze(-1))
    assert shares.schema != TOY.schema


def test_returns_are_of_scaled_rewards() -> None:
    given = rollout(8, 2)
    scaled = given._replace(rewards=np.float32(0.25) * given.rewards)
    zeros = np.zeros((8, 2), np.float32)
    found = advantages(given, zeros, zeros, PPOSettings(reward_scale=0.25))
    assert found == pytest.approx(advantages(scaled, zeros, zeros, PPOSettings()))
