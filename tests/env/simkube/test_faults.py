"""An API server that fails: what passes is waited out, what does not is told, and no wait outlives its deadline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_api import FakeApi
from world import World, WorldTime

from env.errors import ClusterError, ConfigError
from env.kube.client import KubeApi, KubeError, Timer, Waiting, wait
from env.kube.connect import connect
from env.problems.scenario import Scenario
from env.simkube import paths
from env.simkube.cluster import SimKubeCluster

Manifest = dict[str, Any]
MakeCluster = Callable[..., SimKubeCluster]


@pytest.fixture
def problem(scenario: Callable[..., Scenario], deployment: Callable[..., Manifest]) -> Scenario:
    """Three pods that find room."""
    return scenario([deployment(3)], [])


@pytest.mark.parametrize("status", [409, 410, 429, 500, 503, 504])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/simulations"),
        ("GET", "/simulations/arena"),
        ("GET", "/nodes"),
        ("GET", "/leases/sk-lease"),
        ("GET", "/namespaces/simkube/pods"),
        ("GET", "/virtual-default/pods"),
        ("GET", "/virtual-default/deployments/web"),
        ("DELETE", "/simulations/arena"),
    ],
)
def test_a_passing_failure_of_any_request_is_waited_out(
    fake: FakeApi, cluster: MakeCluster, world: World, problem: Scenario, status: int, method: str, path: str
) -> None:
    simkube = cluster()
    fake.fail(status, method=method, path=path, times=2)
    assert simkube.observe(problem, None).ready == 3
    simkube.close()
    assert fake.all("simulations") == []


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/simulations"), ("GET", "/virtual-default/pods"), ("GET", "/simulations/arena")]
)
def test_an_answer_that_is_cut_is_asked_for_again(
    fake: FakeApi, cluster: MakeCluster, problem: Scenario, method: str, path: str
) -> None:
    simkube = cluster()
    fake.fail(method=method, path=path, cut=True)
    assert simkube.observe(problem, None).ready == 3
    simkube.close()
    posts = [request for request in fake.requests if request == ("POST", paths.SIMULATIONS)]
    assert len(posts) == (2 if method == "POST" else 1)


def test_an_answer_that_never_comes_is_given_up(fake: FakeApi, cluster: MakeCluster, problem: Scenario) -> None:
    simkube = cluster(request_timeout_s=0.2)
    fake.fail(method="GET", path="/virtual-default/pods", hang=True)
    assert simkube.observe(problem, None).ready == 3
    simkube.close()


def test_a_server_that_asks_for_time_gets_it(fake: FakeApi, kube: KubeApi, world: World) -> None:
    time = WorldTime(world)
    api = KubeApi(kube.client, Timer(time.now, time.sleep))
    fake.fail(429, path="/nodes/virtual-1$", retry_after=17)
    world.until = "nothing"
    seen = wait(api, "a node", 60, lambda api: api.get(f"{paths.NODES}/virtual-1"))
    assert seen is not None
    assert time.at == 17


def test_pauses_grow_while_a_server_fails(fake: FakeApi, kube: KubeApi) -> None:
    clock = [0.0]
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clock[0] += seconds

    fake.fail(500, path="/nodes", times=100)
    api = KubeApi(kube.client, Timer(lambda: clock[0], sleep))
    with pytest.raises(ClusterError, match=r"nodes: not within 100 s; last seen: GET /api/v1/nodes: 500 InternalError"):
        wait(api, "nodes", 100, lambda api: api.list(paths.NODES))
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 9]


def test_a_refusal_is_not_waited_out(fake: FakeApi, cluster: MakeCluster, problem: Scenario) -> None:
    simkube = cluster()
    fake.fail(403, path="/simulations", method="POST")
    with pytest.raises(ClusterError, match=r"POST /apis/simkube.io/v1/simulations: 403 Forbidden: injected"):
        simkube.observe(problem, None)
    simkube.close()


def test_a_cluster_without_simkube_is_told_apart(fake: FakeApi, cluster: MakeCluster, problem: Scenario) -> None:
    simkube = cluster(driver_image="sk-driver:v2.7.0")
    fake.fail(404, path="/simulations", method="POST")
    with pytest.raises(ClusterError, match="is SimKube installed"):
        simkube.observe(problem, None)
    simkube.close()


def test_a_namespace_that_terminates_is_waited_for(fake: FakeApi, cluster: MakeCluster, problem: Scenario) -> None:
    fake.linger = 5
    simkube = cluster()
    assert [simkube.observe(problem, None).ready for _ in range(3)] == [3, 3, 3]
    simkube.close()


def test_a_namespace_that_never_goes_is_named(fake: FakeApi, cluster: MakeCluster, problem: Scenario) -> None:
    fake.linger = 1_000_000
    simkube = cluster(reset_timeout_s=30)
    simkube.observe(problem, None)
    with pytest.raises(ClusterError, match=r"a free cluster: not within 40 s; last seen: namespace virtual-default of "
                                           r"an earlier simulation is Terminating"):  # fmt: skip
        simkube.observe(problem, None)
    simkube.close()


def test_a_simulation_that_could_not_be_deleted_is_deleted_by_the_next_step(
    fake: FakeApi, cluster: MakeCluster, problem: Scenario, caplog: pytest.LogCaptureFixture
) -> None:
    simkube = cluster()
    fake.fail(500, method="DELETE", path="/simulations/")
    assert [simkube.observe(problem, None).ready for _ in range(2)] == [3, 3]
    simkube.close()
    assert fake.all("simulations") == []
    assert "not yet deleted: DELETE" in caplog.text


def test_what_a_server_says_cannot_take_over_the_terminal(fake: FakeApi, kube: KubeApi) -> None:
    fake.fail(403, path="/nodes", reason="\x1b[2J\nForbidden" + 10_000 * "!")
    with pytest.raises(KubeError) as error:
        kube.list(paths.NODES)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 1_000


def test_no_request_is_made_beyond_a_deadline(fake: FakeApi, kube: KubeApi) -> None:
    before = len(fake.requests)
    with pytest.raises(KubeError, match="no time left"):
        kube.until(kube.timer.now()).get(f"{paths.NODES}/any")
    assert len(fake.requests) == before


def test_a_look_that_sees_nothing_new_ends_at_the_deadline(kube: KubeApi) -> None:
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    api = KubeApi(kube.client, Timer(lambda: clock[0], sleep))
    with pytest.raises(ClusterError, match="a sign: not within 10 s; last seen: nothing of the kind"):
        wait(api, "a sign", 10, lambda api: Waiting("nothing of the kind"))
    assert clock == [10]


def test_long_lists_are_read_in_chunks(fake: FakeApi, kube: KubeApi) -> None:
    for number in range(1_200):
        metadata = {"name": f"n-{number:04}", "labels": {"kind": "many"}}
        fake.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    before = len(fake.requests)
    assert len(kube.list(paths.CONFIG_MAPS, labels="kind=many")) == 1_200
    assert len(fake.requests) - before == 3


def test_a_list_that_expires_between_two_chunks_is_read_anew(fake: FakeApi, kube: KubeApi, world: World) -> None:
    for number in range(600):
        fake.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"n-{number:04}"}})
    time = WorldTime(world)
    api = KubeApi(kube.client, Timer(time.now, time.sleep))
    fake.fail(410, path="configmaps.*continue=")
    assert len(wait(api, "a list", 60, lambda api: api.list(paths.CONFIG_MAPS))) == 600


def test_a_missing_kubeconfig_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^kubeconfig /.*/none: .*; set KUBECONFIG, or see: kubectl config get-con"):
        connect(kubeconfig=str(tmp_path / "none"))


def test_an_unknown_context_is_one_line(fake: FakeApi, tmp_path: Path) -> None:
    kubeconfig = fake.write_kubeconfig(tmp_path / "kubeconfig")
    with pytest.raises(ConfigError, match=r"^kubeconfig /.*, context prod: .*; set KUBECONFIG"):
        connect("prod", kubeconfig=str(kubeconfig))


def test_a_server_that_does_not_listen_is_told_apart(tmp_path: Path) -> None:
    with FakeApi() as gone:
        kubeconfig = gone.write_kubeconfig(tmp_path / "kubeconfig")
    api = connect(kubeconfig=str(kubeconfig))
    with pytest.raises(KubeError, match=r"GET /api/v1/nodes/x: no answer from http://127.0.0.1:\d+ \(.*refused"):
        api.get(f"{paths.NODES}/x")
    api.close()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "while parsing a flow"),
        ("hello", ""),
        ("", "is empty"),
        (
            "{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: c, user: u}}], "
            "clusters: [{name: c, cluster: {server: '127.0.0.1:6443'}}], users: [{name: u, user: {token: x}}]}",
            "server '127.0.0.1:6443' must be a URL, https://",
        ),
    ],
)
def test_a_damaged_kubeconfig_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config").write_text(text)
    with pytest.raises(ConfigError, match=f"^kubeconfig /.*/config: .*{message}.*; set KUBECONFIG"):
        connect(kubeconfig=str(tmp_path / "config"))
