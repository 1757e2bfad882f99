"""The policies, held against every request of whole runs, and against what no role may do; see `cloud`."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from cloud import ADMIN, ARN, BUCKET, CLOSER, OWN, POLICIES, Cloud, Request, serving
from judge import allowed

from agents.kinds import make_agent
from env.errors import ConfigError
from env.problems.generate import generate_scenario
from infra.access import policies
from infra.access.accounts import shared_bucket_policy
from infra.access.policies import Role
from infra.local.processes import command
from infra.proof.standin import TTL_S, StandIn, integers, training
from protocol.commands.download import download
from protocol.commands.inspect import about, text_of
from protocol.commands.status import all_jobs, federation_summary, require_federation
from protocol.jobs.submit import submit_federation, submit_job
from protocol.learners.materials import Scenarios, read_weights
from protocol.learners.series import read_objects
from protocol.report.publisher import Publisher
from protocol.rounds.server import SyncServer
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.choices import Closers
from protocol.wire.errors import Refused, Unfit, UnknownName
from protocol.wire.federation_documents import Federation, Outcome, OutcomeStatus
from protocol.wire.job_documents import EpochsSpec, Manifest
from protocol.wire.keys import Mark
from protocol.wire.probe import probe
from protocol.worker.learner import JobLearner
from protocol.worker.worker_loop import WorkerLoop

pytest.importorskip("moto")


@pytest.fixture(scope="module")
def cloud(quick_clients: None) -> Iterator[Cloud]:
    with serving(OWN) as served:
        yield served


def work(
    cloud: Cloud, who: str, jobs: int, stop: threading.Event, *, early: bool = False, only: str | None = None
) -> None:
    """Run so many jobs to their end; `early`: one, and only as far as its first episode."""
    bucket, ended = cloud.bucket(who, stop), []

    def start(manifest: Manifest) -> JobLearner:
        if manifest.training.traces:
            Scenarios(bucket).read(manifest)
        if manifest.training.environment:
            read_objects(bucket, manifest.training.environment)
        if manifest.training.weights:
            read_weights(bucket, manifest.training.weights)
        return StandIn(manifest, lambda seconds: stop.set() if early else None, 1.0)

    def say(line: str) -> None:
        if re.search(r": (success|failed|cancelled)", line):
            ended.append(line)
        if len(ended) == jobs:
            stop.set()

    probe(bucket)
    shop = WorkerLoop(bucket, "a-worker", TTL_S, start, integers, say, stays=only is not None, only=only)
    shop.run_one() if only else shop.run_until_stopped()


def serve(cloud: Cloud, stop: threading.Event) -> None:
    """Close rounds, and write reports: at least one while attempts run, and one at the end."""
    bucket, said = cloud.bucket(Role.SYNC_SERVER, stop), list[str]()
    probe(bucket)
    reports = Publisher(bucket, lambda record: str(record.closed).encode(), said.append)
    SyncServer(bucket, integers, said.append, reports).run(exit_when_idle=True)
    assert not [line for line in said if "report" in line]


def beside(*works: Callable[[threading.Event], object]) -> None:
    """Run them side by side; if one fails, the others stop."""
    stops = [threading.Event() for _ in works]
    with ThreadPoolExecutor() as pool:
        running = [pool.submit(each, stop) for each, stop in zip(works, stops, strict=True)]
        wait(running, return_when=FIRST_EXCEPTION)
        if any(each.done() and each.exception() for each in running):
            for stop in stops:
                stop.set()
        for each in running:
            each.result()


NOTHING = 64 * "0"


def jobs_that_cannot_run(cloud: Cloud, who: str) -> None:
    """A manifest that cannot be read, and jobs whose inputs are gone."""
    name = f"bad-{len(who)}"
    cloud.bucket(ADMIN).create(keys.pending_manifest(name), b"no manifest")
    beside(partial(work, cloud, who, 0, only=name))
    without_series = EpochsSpec(name="season", environments=1, epoch_steps=1, series=(NOTHING,))
    for inputs in ({"traces": (NOTHING,)}, {"environment": without_series}, {"weights": NOTHING}):
        submit_job(cloud.bucket(Role.DISPATCHER), training(2, **{"traces": (), **inputs}))
    beside(partial(work, cloud, who, 3))


def federation_without_its_weights(cloud: Cloud, like_this: Federation) -> None:
    """A round could be closed, as one member has delivered and one has ended, but what it started from is gone."""
    lost = like_this.model_copy(
        update={
            "group": "lost",
            "size": 2,
            "barrier": Closers.SYNC_SERVER,
            "training": like_this.training.model_copy(update={"weights": NOTHING}),
        }
    )
    submit_federation(cloud.bucket(Role.DISPATCHER), lost)
    cloud.bucket(ADMIN).create(keys.update("lost", 1, 0), b"1")
    cloud.bucket(ADMIN).create(keys.result("lost-m0001"), b"{}")
    beside(partial(serve, cloud))
    cloud.dispatch("cancel", "lost")


@pytest.fixture(scope="module")
def whole_run(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    """Federations of all kinds, single jobs, and all that a person can ask for, each with its role's credentials."""
    folder = tmp_path_factory.mktemp("run")
    trace, weights = folder / "trace.msgpack", folder / "weights.pt"
    trace.write_bytes(generate_scenario(None, 1).trace.to_bytes())
    make_agent("dqn", seed=5).save(weights)
    small = ("--episodes", "2", "--steps", "20")

    series = folder / "pods.csv"
    series.write_text("pod,seconds,use\n" + "".join(f"web,{at},1\n" for at in range(700)))
    short = ("submit", "--env", "season", "--series", str(series), "--epochs", "1", "--environments", "1")
    for _ in range(2):
        cloud.dispatch(*short, "--epoch-steps", "1")
    beside(partial(work, cloud, Role.WORKER, 2))

    shop = ("submit", "--group", "shop", "--federation-size", "2", "--strategy", "fedadam", *small)
    for _ in range(2):  # the second one finds everything there
        cloud.dispatch(*shop, "--trace", str(trace), "--weights", str(weights))
    beside(partial(work, cloud, Role.WORKER, 2), partial(serve, cloud))

    cloud.dispatch("submit", "--group", "own", "--federation-size", "2", *small, "--trace", str(trace))
    members = [partial(work, cloud, job, 1, only=job) for job in ("own-m0000", "own-m0001")]
    beside(*members, partial(serve, cloud))

    by_members = require_federation(cloud.bucket(ADMIN), "shop").model_copy(
        update={"group": "self", "barrier": Closers.WORKERS}
    )
    submit_federation(cloud.bucket(Role.DISPATCHER), by_members)
    beside(partial(work, cloud, CLOSER, 2))

    cloud.dispatch("submit", *small, "--episodes", "3")  # two early ends leave one to train
    [job] = (key for entry in cloud.bucket(ADMIN).list(keys.PENDING).entries if (key := keys.parse_manifest(entry.key)))
    for _ in range(2):
        beside(partial(work, cloud, Role.WORKER, 1, early=True))
    for who in (Role.READER, Role.DISPATCHER):
        bucket = cloud.bucket(who)
        assert job in {row.job_id for row in all_jobs(bucket, TTL_S, 20)}
        assert about(bucket, job, TTL_S)["state"] == "free"
    cloud.dispatch("cancel", job)
    cloud.dispatch("retry", job)
    beside(partial(work, cloud, Role.WORKER, 1))
    for who in (Role.WORKER, CLOSER):
        jobs_that_cannot_run(cloud, who)

    federation_without_its_weights(cloud, by_members)
    cloud.dispatch("submit", "--group", "late", "--federation-size", "2", *small)
    cloud.dispatch("cancel", "late")
    for option, key in (("--trace", keys.trace(NOTHING)), ("--weights", keys.weights(NOTHING))):
        with pytest.raises(ConfigError, match="no such object"):
            cloud.dispatch("submit", option, f"s3://{BUCKET}/{key}")
    for who in (Role.READER, Role.DISPATCHER):
        bucket = cloud.bucket(who)
        with pytest.raises(UnknownName, match="not in s3://"):
            federation_summary(bucket, "nobodys", TTL_S)
        assert federation_summary(bucket, "shop", TTL_S).outcome == OutcomeStatus.FINISHED
        assert text_of(bucket, "shop-m0000", "train.log")
        found = download(bucket, "shop", folder / who)
        assert found.incomplete
        assert "global_weights" in found.left_out[0]  # a stand-in's are no tensors
        assert (folder / who / "member-0001" / "train.log").exists()
    for who in (Role.READER, Role.DISPATCHER):
        cloud.dispatch("report", "own", "--to", str(folder / "own.html"), who=who)
        assert cloud.bucket(who).get(keys.report("own"), 10 << 20) is not None
    cloud.dispatch("report", "own", "--publish", "--to", str(folder / "own.html"))
    cloud.dispatch("purge", "shop", "--yes")
    for ended in (job, f"bad-{len(Role.WORKER)}"):
        cloud.dispatch("purge", ended, "--yes")
    return cloud


def test_all_that_the_commands_do_is_allowed(whole_run: Cloud) -> None:
    assert [one for one in whole_run.judge.requests if not allowed(one, POLICIES[one.who], OWN)] == []
    finished = {"shop", "own", "self"}
    outcomes = {group: documents.read(whole_run.bucket(ADMIN), Outcome, keys.outcome(group)) for group in finished}
    assert {
        group for group, outcome in outcomes.items() if outcome and outcome.status is OutcomeStatus.FINISHED
    } == finished


def test_each_pattern_of_each_policy_is_needed(whole_run: Cloud) -> None:
    """Without it, some request of the run would have been refused."""
    for who in (*Role, CLOSER):
        requests = set(map(repr, whole_run.of(who)))
        distinct = [one for one in whole_run.of(who) if repr(one) in requests and not requests.discard(repr(one))]
        for pattern, document in narrower(POLICIES[who]):
            assert not all(allowed(one, document, OWN) for one in distinct), f"{who}: {pattern} is not used"


OWNERS = {job: f"arn:aws:iam::{number:012d}:root" for number, job in enumerate(("own-m0000", "own-m0001"), 1)}
"""Of two members, each of an account of its own, which lets its own users do anything."""


def allowed_across(request: Request, principal: str) -> bool:
    """Whether the bucket lets a principal of another account do this: there it needs an Allow of the bucket's too."""
    rows = shared_bucket_policy(ARN, OWNERS)["Statement"]
    mine = [row for row in rows if row["Principal"] in ("*", {"AWS": principal})]
    return allowed(request, {"Statement": mine})


def test_members_of_other_accounts_may_do_what_their_workers_ask_and_nothing_of_each_other(whole_run: Cloud) -> None:
    mine, others = ({repr(replace(one, who="far")): one for one in whole_run.of(job)} for job in OWNERS)
    first, second = OWNERS.values()
    for requests, owner in ((mine, first), (others, second)):
        assert all(allowed_across(one, owner) for one in requests.values())
    for requests, owner in ((others, first), (mine, second)):
        own_keys = [one for one in requests.values() if re.search(r"own-m000|updates/\d", one.resource)]
        assert {one.action for one in own_keys} == {"s3:GetObject", "s3:PutObject", "s3:DeleteObject"}
        assert not any(allowed_across(one, owner) for one in own_keys)
    stranger = "arn:aws:iam::999999999999:root"
    assert not any(allowed_across(one, stranger) for one in (mine | others).values())


def test_an_account_that_owns_a_member_cannot_write_what_is_decided() -> None:
    for key in (*DECISIONS, keys.report("own"), keys.decision("own", 1), keys.global_weights("own", 1)):
        for action in ("PutObject", "DeleteObject"):
            request = Request.to("far", action, key, s3__if_none_match="*")
            assert not allowed_across(request, OWNERS["own-m0000"]), key


def narrower(document: policies.Document) -> Iterator[tuple[str, policies.Document]]:
    """The policy without one of its patterns, for each of them."""
    for number, statement in enumerate(document["Statement"]):
        for place in range(len(patterns(statement))):
            without = deepcopy(document)
            yield patterns(without["Statement"][number]).pop(place), without


def patterns(statement: policies.Statement) -> list[str]:
    prefixes = statement.get("Condition", {}).get("StringLike")
    return prefixes["s3:prefix"] if prefixes else statement["Resource"]


@contextmanager
def started(line: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def test_the_commands_run_a_federation_with_the_credentials_of_their_roles(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "trace.msgpack").write_bytes(generate_scenario(None, 2).trace.to_bytes())
    small = ("--episodes", "2", "--steps", "20", "--federation-size", "2", "--group", "real")
    cloud.dispatch("submit", *small, "--trace", str(tmp_path))
    commands = {
        Role.SYNC_SERVER: command("sync-server", "--exit-when-idle"),
        Role.WORKER: command("worker", "--job", "real-m0000"),
        "real-m0001": command("worker", "--job", "real-m0001"),
    }
    with ExitStack() as children:
        running = [children.enter_context(started(line, cloud.environment(who))) for who, line in commands.items()]
        logs = [child.communicate(timeout=300)[1] for child in running]
    assert [child.returncode for child in running] == [0, 0, 0], "\n".join(logs)
    cloud.dispatch("download", "real", "--to", str(tmp_path / "out"), who=Role.READER)
    assert (tmp_path / "out" / "global_weights.pt").exists()


OTHERS = keys.result("other")


DECISIONS = [
    keys.decision("shop", 1),
    keys.global_weights("shop", 1),
    keys.server_state("shop", 1),
    keys.outcome("shop"),
    keys.federation("shop"),
    keys.active("shop"),
    keys.pending_manifest("other"),
    keys.cancel("other"),
    keys.trace(NOTHING),
    keys.weights(NOTHING),
]


FACTS = [OTHERS, keys.update("shop", 1, 0), keys.state("other", 1), *DECISIONS[:5], keys.trace(NOTHING)]


@pytest.mark.parametrize("who", [Role.WORKER, "own-m0000", Role.READER])
def test_neither_workers_nor_readers_write_decisions_or_what_is_to_be_done(cloud: Cloud, who: str) -> None:
    for key in DECISIONS:
        with pytest.raises(Refused, match="403 AccessDenied"):
            cloud.bucket(who).create(key, b"forged")


@pytest.mark.parametrize("who", [Role.WORKER, CLOSER, "own-m0000", Role.SYNC_SERVER, Role.READER])
def test_only_the_dispatcher_deletes_facts(cloud: Cloud, who: str) -> None:
    for key in FACTS:
        with pytest.raises(Refused, match="403 AccessDenied"):
            cloud.bucket(who).delete(key)


def test_a_worker_confined_to_a_job_reaches_no_other_jobs_or_members_objects(cloud: Cloud) -> None:
    bucket = cloud.bucket("own-m0000")
    mark = partial(keys.attempt_mark, attempt=1)
    siblings = [keys.result("own-m0001"), keys.state("own-m0001", 1), keys.update("own", 1, 1)]
    marks = [mark(job, each) for job in ("own-m0001", "other") for each in (Mark.CLAIM, Mark.RELEASED)]
    for key in [*siblings, *marks, OTHERS, keys.update("shop", 1, 0)]:
        with pytest.raises(Refused, match="403"):
            bucket.create(key, b"forged")
        with pytest.raises(Refused, match="403"):
            bucket.get(key)
        with pytest.raises(Refused, match="403"):
            bucket.delete(key)
    with pytest.raises(Refused, match="403"):
        bucket.put_without_retry(mark("own-m0001", Mark.HEARTBEAT), b"alive")
    for prefix in ("", keys.PENDING, keys.IN_PROGRESS, keys.ACTIVE, keys.results("own-m0001")):
        with pytest.raises(Unfit, match="403"):
            bucket.list(prefix)


def test_a_worker_overwrites_nothing_but_heartbeats(cloud: Cloud) -> None:
    admin, worker = cloud.bucket(ADMIN), cloud.bucket(Role.WORKER)
    admin.create(OTHERS, b"true")
    with pytest.raises(Refused, match="403 AccessDenied"):
        worker.put_without_retry(OTHERS, b"forged")
    assert not worker.ensure_created(OTHERS, b"forged")
    assert admin.get(OTHERS) == b"true"
    for _ in range(2):
        worker.put_without_retry(keys.attempt_mark("other", Mark.HEARTBEAT, 1), b"alive")


def test_a_sync_server_does_not_touch_jobs_and_a_reader_sees_no_updates(cloud: Cloud) -> None:
    for key in (keys.result("other"), keys.update("shop", 1, 0), keys.attempt_mark("other", Mark.CLAIM, 1)):
        with pytest.raises(Refused, match="403 AccessDenied"):
            cloud.bucket(Role.SYNC_SERVER).create(key, b"forged")
    for who, prefix in ((Role.SYNC_SERVER, keys.IN_PROGRESS), (Role.READER, "traces/")):
        with pytest.raises(Unfit, match="403 AccessDenied"):
            cloud.bucket(who).list(prefix)
    with pytest.raises(Refused, match="403 AccessDenied"):
        cloud.bucket(Role.READER).get(keys.update("shop", 1, 0))


@pytest.mark.parametrize("who", [Role.WORKER, CLOSER, "own-m0000", Role.READER])
def test_no_member_and_no_reader_writes_the_page_that_people_open(cloud: Cloud, who: str) -> None:
    for act in (Bucket.put_without_retry, Bucket.create):
        with pytest.raises(Refused, match="403 AccessDenied"):
            act(cloud.bucket(who), keys.report("own"), b"<script>")
    with pytest.raises(Refused, match="403 AccessDenied"):
        cloud.bucket(who).delete(keys.report("own"))


@pytest.mark.parametrize("who", [Role.DISPATCHER, Role.SYNC_SERVER])
def test_the_report_alone_is_overwritten_by_those_who_write_it(cloud: Cloud, who: str) -> None:
    for body in (b"first", b"second"):
        cloud.bucket(who).put_without_retry(keys.report("another"), body)
    beside = (keys.federation("another"), keys.outcome("another"), f"{keys.rounds('another')}report.html")
    for key in (*beside, keys.decision("another", 1), keys.global_weights("another", 1), keys.active("another")):
        with pytest.raises(Refused, match="403 AccessDenied"):
            cloud.bucket(who).put_without_retry(key, b"forged")
        assert not allowed(Request.to(ADMIN, "PutObject", key), ANYBODY, OWN)


def test_what_is_refused_is_one_clear_line(cloud: Cloud) -> None:
    cloud.bucket(ADMIN).ensure_created(keys.pending_manifest("waits"), b"{}")
    line = command("dispatch", "cancel", "waits")
    done = subprocess.run(line, env=cloud.environment(Role.READER), capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    told = rf"error: s3://{BUCKET}: [A-Z]+ \S+: 403 AccessDenied: Access Denied \(these credentials may not do this\)\n"
    assert re.fullmatch(told, done.stderr)


ANYBODY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": f"{ARN}*"}]}


def test_the_bucket_takes_nothing_without_tls(cloud: Cloud) -> None:
    for request in (Request.to(ADMIN, "GetObject", OTHERS), Request.to(ADMIN, "ListBucket", s3__prefix="jobs/")):
        assert allowed(request, ANYBODY, OWN)
        assert not allowed(replace(request, context={**request.context, "aws:SecureTransport": "false"}), ANYBODY, OWN)


def test_the_bucket_takes_only_conditional_writes_of_all_that_is_created_once(whole_run: Cloud) -> None:
    """Of everything that any role wrote in the whole run: with the condition yes, without it no, but for
    heartbeats, reports and the scratch objects of probes."""
    written = {one.resource.removeprefix(f"{ARN}/") for one in whole_run.judge.requests if one.action == "s3:PutObject"}
    assert len({key.split("/")[0] for key in written}) == 7
    for key in written:
        row = keys.parse_progress(key)
        page = re.fullmatch(r"federations/[^/]+/report\.html", key)
        plain = (row is not None and row.mark is Mark.HEARTBEAT) or page is not None or key.startswith("probe/")
        assert allowed(Request.to(ADMIN, "PutObject", key, s3__if_none_match="*"), ANYBODY, OWN)
        assert allowed(Request.to(ADMIN, "PutObject", key), ANYBODY, OWN) == plain


def test_the_bucket_never_forgets_a_federations_name() -> None:
    for key in (keys.federation("shop"), keys.outcome("shop")):
        for action in ("DeleteObject", "DeleteObjectVersion"):
            assert not allowed(Request.to(ADMIN, action, key), ANYBODY, OWN)
    assert allowed(Request.to(ADMIN, "DeleteObject", keys.decision("shop", 1)), ANYBODY, OWN)


def test_the_bucket_policy_only_forbids() -> None:
    assert {row["Effect"] for row in OWN["Statement"]} == {"Deny"}
    assert all(policies.PUBLIC_ACCESS_BLOCK.values())
