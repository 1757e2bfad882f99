"""Averaging networks: exact, the same in every process, and safe against any contents of the bucket."""

from __future__ import annotations

import math
import pickle
import re
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.kinds import agent_kind, make_agent
from agents.saved import checkpoint
from infra.proof.standin import GROUP, bucket_of, federation
from infra.proof.virtual_time import World
from protocol.rounds.aggregate import Aggregate, RoundInputs
from protocol.rounds.averaging import Model, RoundAggregate
from protocol.rounds.closer import Closer
from protocol.rounds.updates import update_facts
from protocol.strategies.table import Strategy
from protocol.wire import documents, keys
from protocol.wire.errors import BadDocument
from protocol.wire.federation_documents import Decision, Federation, TensorSpec

SHAPES = {
    "q_net.0.weight": (3, 2),
    "q_net.0.bias": (3,),
    "target_net.0.weight": (3, 2),
    "target_net.0.bias": (3,),
}
Tensors = dict[str, npt.NDArray[Any]]


def model(strategy: str = "fedavg", size: int = 4, rounds: int = 1, **changes: Any) -> Federation:
    specs = tuple(TensorSpec(name=name, shape=shape) for name, shape in SHAPES.items())
    return federation(size, rounds, **{"model": specs, "strategy": Strategy(strategy), **changes})


def empty(strategy: str = "fedavg") -> Aggregate:
    return RoundAggregate(model(strategy), RoundInputs())


def weights(seed: int) -> Tensors:
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape, np.float32) for name, shape in SHAPES.items()}


def loaded(body: bytes) -> Tensors:
    return checkpoint.loads(body, "weights")


def aggregate(strategy: str, updates: list[tuple[Tensors, int]], before: RoundInputs = RoundInputs()) -> Tensors:  # noqa: B008
    aggregate = RoundAggregate(model(strategy), before)
    for tensors, weight in updates:
        aggregate.add(checkpoint.dumps(tensors), weight)
    return loaded(aggregate.finish().weights)


# -- means -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["fedavg", "uniform", "fedprox"])
def test_the_mean_is_weighted(strategy: str) -> None:
    found = aggregate(strategy, [(weights(1), 30), (weights(2), 10)])
    for name in SHAPES:
        expected = (30 * weights(1)[name].astype(float) + 10 * weights(2)[name].astype(float)) / 40
        assert np.array_equal(found[name], expected.astype(np.float32))


@pytest.mark.parametrize("strategy", ["fedavg", "uniform", "fedprox", "trimmed-mean", "median"])
def test_the_aggregate_of_one_member_is_that_member(strategy: str) -> None:
    found = aggregate(strategy, [(weights(1), 17)])
    assert all(np.array_equal(found[name], weights(1)[name]) for name in SHAPES)


@pytest.mark.parametrize("members", [3, 4, 5, 10])
def test_the_median_is_numpys_own_coordinate_by_coordinate(members: int) -> None:
    found = aggregate("median", [(weights(seed), 1) for seed in range(members)])
    for name in SHAPES:
        rows = np.stack([weights(seed)[name] for seed in range(members)]).astype(float)
        assert np.array_equal(found[name], np.median(rows, axis=0).astype(np.float32))


@pytest.mark.parametrize(("members", "dropped"), [(3, 1), (4, 1), (9, 1), (10, 2), (15, 3)])
def test_the_trimmed_mean_is_that_of_what_a_fifth_at_each_end_leaves(members: int, dropped: int) -> None:
    found = aggregate("trimmed-mean", [(weights(seed), 1) for seed in range(members)])
    for name in SHAPES:
        rows = np.sort(np.stack([weights(seed)[name] for seed in range(members)]).astype(float), axis=0)
        assert np.allclose(found[name], rows[dropped : members - dropped].mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize("strategy", ["trimmed-mean", "median"])
def test_the_sign_of_a_zero_does_not_depend_on_how_ties_are_sorted(strategy: str) -> None:
    zeros = [{name: np.full(shape, zero, np.float32) for name, shape in SHAPES.items()} for zero in (0.0, -0.0, -0.0)]
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        found = aggregate(strategy, [(zeros[number], 1) for number in order])
        assert not any(np.signbit(tensor).any() for tensor in found.values())


@pytest.mark.parametrize("strategy", Strategy)
def test_a_model_that_names_its_tensors_in_another_order_gives_the_same_bytes(strategy: Strategy) -> None:
    found = []
    for order in (list(SHAPES), list(reversed(SHAPES))):
        specs = tuple(TensorSpec(name=name, shape=SHAPES[name]) for name in order)
        aggregate = RoundAggregate(model(strategy, model=specs), RoundInputs(checkpoint.dumps(weights(0))))
        for seed in (1, 2, 3, 4):
            aggregate.add(checkpoint.dumps(weights(seed)), seed)
        found.append(aggregate.finish().weights)
    assert found[0] == found[1]


@pytest.mark.parametrize("names", [list(SHAPES), list(reversed(SHAPES))])
def test_what_is_written_is_what_the_library_writes(names: list[str]) -> None:
    specs = tuple(TensorSpec(name=name, shape=SHAPES[name]) for name in names)
    tensors = weights(1)
    vector = np.concatenate([tensors[name].ravel() for name in names])
    assert Model(model(model=specs)).write(vector) == checkpoint.write(tensors)


def test_an_update_is_not_copied() -> None:
    body = checkpoint.dumps(weights(1))
    for view in (body, memoryview(body)):
        update = Model(model()).read(view, "update")
        assert np.shares_memory(update.numbers, np.frombuffer(view, np.uint8))
        assert np.array_equal(update.vector(), np.concatenate([weights(1)[name].ravel() for name in SHAPES]))


@pytest.mark.parametrize("strategy", Strategy)
def test_updates_that_come_in_any_order_give_the_same_bytes(strategy: Strategy) -> None:
    found = set()
    for order in permutations(range(4)):
        world = World(seed=1)
        bucket = bucket_of(world)
        for member in order:
            body = checkpoint.dumps(weights(member))
            bucket.create(keys.update(GROUP, 1, member), body, update_facts(3 + member % 2, 0.0, 0))
        Closer(bucket, model(strategy), RoundAggregate, lambda line: None).step()
        found.add(world.s3.objects[keys.global_weights(GROUP, 1)].body)
    assert len(found) == 1


# -- members that lie --------------------------------------------------------------------------------

LIES: dict[str, Any] = {
    "sign flipped": lambda tensor: -tensor,
    "scaled by a thousand": lambda tensor: np.float32(1000) * tensor,
    "as large as can be": lambda tensor: np.full_like(tensor, 3e38),
    "zero": np.zeros_like,
}


def honest(seed: int) -> Tensors:
    """What a member may send: not far from what the others send."""
    base, own = weights(100), weights(seed)
    return {name: base[name] + np.float32(0.1) * own[name] for name in SHAPES}


def within(found: Tensors, members: list[Tensors]) -> bool:
    """Whether every number lies in the range of those that these members sent for it."""
    rows = {name: np.stack([member[name] for member in members]) for name in SHAPES}
    return all(bool(((found[name] >= rows[name].min(0)) & (found[name] <= rows[name].max(0))).all()) for name in SHAPES)


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize(
    ("strategy", "members", "liars"),
    [("median", 3, 1), ("median", 5, 2), ("median", 9, 4), ("trimmed-mean", 3, 1), ("trimmed-mean", 10, 2)],
)
def test_liars_cannot_move_a_robust_aggregate_out_of_the_range_of_the_honest(
    strategy: str, members: int, liars: int, lie: str
) -> None:
    true = [honest(seed) for seed in range(members - liars)]
    lying = [{name: LIES[lie](tensor) for name, tensor in honest(50 + n).items()} for n in range(liars)]
    for sent in (lying + true, true + lying):
        assert within(aggregate(strategy, [(tensors, 10) for tensors in sent]), true)


@pytest.mark.parametrize("strategy", ["fedavg", "uniform", "fedprox"])
def test_one_false_update_moves_a_mean_anywhere(strategy: str) -> None:
    true = [honest(seed) for seed in range(9)]
    liar = {name: np.float32(1000) * tensor for name, tensor in honest(50).items()}
    assert not within(aggregate(strategy, [(tensors, 10) for tensors in [*true, liar]]), true)


@pytest.mark.parametrize("strategy", ["trimmed-mean", "median"])
def test_a_liar_does_not_gain_by_claiming_many_transitions(strategy: str) -> None:
    true = [honest(seed) for seed in range(4)]
    liar = {name: -tensor for name, tensor in honest(50).items()}
    rows = [(tensors, 1) for tensors in true]
    assert_equal(aggregate(strategy, [*rows, (liar, 1)]), aggregate(strategy, [*rows, (liar, 10**6)]))


def assert_equal(first: Tensors, second: Tensors) -> None:
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)


# -- fedadam -----------------------------------------------------------------------------------------


def adam_by_the_book(start: Tensors, means: list[Tensors]) -> Tensors:
    """Reddi et al. 2021, algorithm 2, round after round; every round starts from the last one's weights."""
    first = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    second = {name: np.full(shape, 1e-6) for name, shape in SHAPES.items()}
    x = {name: tensor.astype(float) for name, tensor in start.items()}
    for mean in means:
        for name in SHAPES:
            move = mean[name].astype(float) - x[name]
            first[name] = 0.9 * first[name] + 0.1 * move
            second[name] = 0.99 * second[name] + 0.01 * move**2
            step = x[name] + 0.03 * first[name] / (np.sqrt(second[name]) + 1e-3)
            x[name] = (step if name.startswith("q_net") else mean[name]).astype(np.float32).astype(float)
    return {name: tensor.astype(np.float32) for name, tensor in x.items()}


def test_fedadam_is_adam_on_the_q_net_and_the_mean_for_the_target_net() -> None:
    before = RoundInputs(checkpoint.dumps(weights(100)))
    for rounds in range(1, 6):
        aggregate = RoundAggregate(model("fedadam"), before)
        aggregate.add(checkpoint.dumps(weights(rounds)), 7)
        found = aggregate.finish()
        expected = adam_by_the_book(weights(100), [weights(seed) for seed in range(1, rounds + 1)])
        for name, tensor in loaded(found.weights).items():
            assert np.allclose(tensor, expected[name], rtol=1e-6, atol=1e-9), (rounds, name)
        before = RoundInputs(found.weights, found.server_state)


def test_fedadam_moves_towards_the_members_mean() -> None:
    start, aim = weights(100), weights(1)
    found = aggregate("fedadam", [(aim, 1)], RoundInputs(checkpoint.dumps(start)))
    for name in (name for name in SHAPES if name.startswith("q_net")):
        assert np.array_equal(np.sign(found[name] - start[name]), np.sign(aim[name] - start[name]))


def agents_model(agent: str = "dqn", **settings: Any) -> Federation:
    shapes = agent_kind(agent).tensors(settings)
    specs = tuple(TensorSpec(name=name, shape=shape) for name, shape in shapes.items())
    given = federation(2).training.model_copy(update={"agent": agent, "agent_settings": settings, "seed": 5})
    return federation(2, strategy=Strategy.FEDADAM, model=specs, training=given)


@pytest.mark.parametrize("name", ["dqn", "ppo"])
def test_fedadam_starts_round_1_from_what_its_members_start_from(name: str) -> None:
    settings = {"hidden": [8, 8]}
    agent = make_agent(name, seed=5, settings=settings)
    update = checkpoint.dumps(
        {name: tensor + np.float32(0.5) for name, tensor in agent.state_dict()["weights"].items()}
    )
    starts = [RoundInputs(), RoundInputs(checkpoint.dumps(agent.state_dict()["weights"]))]  # from the seed, or given
    found = []
    for before in starts:
        aggregate = RoundAggregate(agents_model(name, **settings), before)
        aggregate.add(update, 3)
        found.append(aggregate.finish())
    assert found[0] == found[1]


@pytest.mark.parametrize("agent", ["greedy", "unheard-of"])
def test_fedadam_refuses_a_federation_of_an_agent_without_networks(agent: str) -> None:
    given = agents_model().model_copy(update={"training": federation(2).training.model_copy(update={"agent": agent})})
    with pytest.raises(BadDocument, match=agent):
        RoundAggregate(given, RoundInputs())


BAD_STATES = {
    "text": b"nonsense",
    "missing": checkpoint.dumps({"first": np.zeros(9)}),
    "short": checkpoint.dumps({"first": np.zeros(8), "second": np.ones(9)}),
    "single": checkpoint.dumps({"first": np.zeros(9, np.float32), "second": np.ones(9, np.float32)}),
    "nan": checkpoint.dumps({"first": np.zeros(9), "second": np.full(9, np.nan)}),
    "more": checkpoint.dumps({"first": np.zeros(9), "second": np.ones(9), "third": np.ones(9)}),
    "negative": checkpoint.dumps({"first": np.zeros(9), "second": -np.ones(9)}),
}


@pytest.mark.parametrize("name", BAD_STATES)
def test_a_servers_state_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(BadDocument, match="the server's state"):
        RoundAggregate(model("fedadam"), RoundInputs(checkpoint.dumps(weights(1)), BAD_STATES[name]))


# -- what lies in the bucket -------------------------------------------------------------------------


def changed(name: str, value: Any) -> dict[str, Any]:
    return {**weights(1), name: value}


BAD: dict[str, bytes] = {
    "empty": b"",
    "text": b"not a file of tensors",
    "pickle": pickle.dumps(weights(1)),
    "truncated": checkpoint.dumps(weights(1))[:-20],
    "longer": checkpoint.dumps(weights(1)) + bytes(4),
    "missing": checkpoint.dumps({"q_net.0.bias": np.zeros(3, np.float32)}),
    "more": checkpoint.dumps(changed("extra", np.zeros(1, np.float32))),
    "more than tensors": checkpoint.dumps(changed("text", "x")),
    "shape": checkpoint.dumps(changed("q_net.0.bias", np.zeros(4, np.float32))),
    "as many numbers": checkpoint.dumps(changed("q_net.0.weight", np.zeros((2, 3), np.float32))),
    "dtype": checkpoint.dumps(changed("q_net.0.bias", np.zeros(3))),
    "nan": checkpoint.dumps(changed("q_net.0.bias", np.array([0, math.nan, 0], np.float32))),
    "inf": checkpoint.dumps(changed("q_net.0.bias", np.array([0, math.inf, 0], np.float32))),
    "number": checkpoint.dumps(changed("q_net.0.bias", 3.0)),
    "huge": checkpoint.dumps(changed("q_net.0.bias", np.zeros(1_000_000, np.float32))),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("strategy", ["fedavg", "fedadam", "median"])
def test_an_unfit_update_is_refused_and_changes_nothing(name: str, strategy: str) -> None:
    aggregate, other = empty(strategy), empty(strategy)
    aggregate.add(checkpoint.dumps(weights(1)), 2)
    other.add(checkpoint.dumps(weights(1)), 2)
    with pytest.raises(BadDocument):
        aggregate.add(BAD[name], 1)
    assert aggregate.finish() == other.finish()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", SHAPES)
def test_the_tensor_that_is_not_finite_is_named(name: str, bad: float) -> None:
    tensors = weights(1)
    tensors[name].reshape(-1)[-1] = bad
    with pytest.raises(BadDocument, match=f"^update: {re.escape(name)}: holds numbers that are not finite$"):
        empty().add(checkpoint.dumps(tensors), 1)


@given(st.binary(max_size=500))
def test_no_bytes_break_the_closer(body: bytes) -> None:
    with pytest.raises(BadDocument):
        empty().add(body, 1)


@given(st.integers(0, 2000), st.integers(0, 255))
def test_a_damaged_update_is_refused_or_still_holds_finite_numbers(place: int, value: int) -> None:
    body = bytearray(checkpoint.dumps(weights(1)))
    body[place % len(body)] = value
    aggregate = empty()
    try:
        aggregate.add(bytes(body), 1)
    except BadDocument:
        return
    assert all(np.isfinite(tensor).all() for tensor in loaded(aggregate.finish().weights).values())


def test_what_a_member_calls_its_tensors_neither_floods_nor_steers_a_terminal() -> None:
    world, said = World(seed=1), list[str]()
    bucket = bucket_of(world)
    name = "\x1b[2J\n12:00:00 g: finished" + 5000 * "x"
    bucket.create(
        keys.update(GROUP, 1, 0),
        checkpoint.dumps({**weights(1), name: np.zeros(1, np.float32)}),
        update_facts(5, 0.0, 0),
    )
    bucket.create(keys.update(GROUP, 1, 1), checkpoint.dumps(weights(2)), update_facts(5, 0.0, 0))
    Closer(bucket, model(size=2), RoundAggregate, said.append).step()
    assert "update: other tensors than this model's; '?[2J?12:00:00 g: finished" in said[0]
    assert len(said[0]) < 1100


def test_a_poisoned_member_is_named_and_the_others_are_averaged() -> None:
    world = World(seed=1)
    bucket = bucket_of(world)
    for member, name in enumerate(["nan", "shape", "truncated"]):
        bucket.create(keys.update(GROUP, 1, member), BAD[name], update_facts(5, 0.0, 0))
    bucket.create(keys.update(GROUP, 1, 3), checkpoint.dumps(weights(9)), update_facts(5, 0.0, 0))
    Closer(bucket, model(), RoundAggregate, lambda line: None).step()
    body = world.s3.objects[keys.decision(GROUP, 1)].body
    decision = documents.parse(Decision, body, "round.json")
    assert [p.member for p in decision.participants] == [3]
    assert [item.member for item in decision.left_out] == [0, 1, 2]
    assert "not finite" in decision.left_out[0].reason
    found = loaded(world.s3.objects[keys.global_weights(GROUP, 1)].body)
    assert all(np.array_equal(found[name], weights(9)[name]) for name in SHAPES)
