"""A small Kubernetes API server over real HTTP: keeps objects as the real one does, and fails on demand.

    with FakeApi() as api:
        api.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}})
        api.fail(429, path="/pods", times=2, retry_after=1)
        ...  # a client talks to api.url, or through api.write_kubeconfig(path)
        assert api.get("simulations", "mine") is None

It has what the real API server and its garbage collector do (names, namespaces that terminate, owners, generations,
status subresources, selectors, chunked lists, conflicts, admission of pods and nodes). What controllers, schedulers and
kubelets do, it has not: see `world.py`. A `bare` one is as etcd and kube-apiserver alone: nothing that is owned goes
with its owner, and a namespace ends when it has been finalized.
"""

from __future__ import annotations

import base64
import copy
import re
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml
from fake_http import ApiError, Fault, http_server
from fake_objects import (
    RESOURCES,
    Resource,
    about_server,
    born,
    definition,
    evicted_too_many,
    fields_match,
    labels_match,
    merged,
    now,
    owners,
    resource_of,
    root_path,
    scale_of,
    tainted,
    without,
)

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """Which objects a path means."""

    resource: Resource
    namespace: str | None
    name: str | None
    subresource: str | None


class FakeApi:
    """The server; a context manager. Its public attributes may be changed by a test at any time.

    Attributes:
        requests: (method, path with query) of every request in order, but for those that are spared.
        denied: (verb, plural) that access reviews deny; "*" for any. Requests themselves are not refused.
        linger: So many times a deleted namespace is still seen, Terminating, before it is gone.
        version: What /version says.
        bare: Whether there is no garbage collector and no namespace controller.
        logs: Of containers, by namespace, pod and container.
        answers: What is answered to GET of a path as it is, such as what the metrics API says.
    """

    def __init__(self, *, version: str = "v1.36.0", bare: bool = False) -> None:
        self.requests: list[tuple[str, str]] = []
        self.denied: set[tuple[str, str]] = set()
        self.linger = 0
        self.version = version
        self.bare = bare
        self.logs: dict[tuple[str, str, str], str] = {}
        self.answers: dict[str, Manifest] = {}
        self._lock = threading.RLock()
        self._objects: dict[tuple[str, str, str], Manifest] = {}  # (plural, namespace, name)
        self._seen: dict[str, int] = {}  # Terminating namespaces: how often seen
        self._faults: list[Fault] = []
        self._revision = 0
        self._release = threading.Event()
        for resource in RESOURCES:
            if resource.custom:
                self.put(definition(resource))
        for name in ("default", "kube-system"):
            self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def __enter__(self) -> FakeApi:
        self._server = http_server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def write_kubeconfig(self, path: Path) -> Path:
        """A kubeconfig with one context, `fake`, for what reads KUBECONFIG."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "users": [{"name": "fake", "user": {"token": "not-a-secret"}}],
        }
        path.write_text(yaml.safe_dump(document))
        return path

    def fail(
        self,
        status: int | None = 500,
        *,
        path: str = "",
        method: str = "",
        times: int = 1,
        reason: str = "",
        retry_after: int | None = None,
        cut: bool = False,
        hang: bool = False,
    ) -> None:
        """Let the next `times` requests whose method is `method` and whose path matches the regex `path` fail.

        Args:
            status: What is answered instead of what was asked for.
            reason: The Status' reason; the usual one of the status by default.
            retry_after: Seconds in a Retry-After header.
            cut: The connection ends in the middle of the true answer.
            hang: No answer at all until the server ends; the request is not carried out.
        """
        with self._lock:
            self._faults.append(Fault(status, method, path, times, reason, retry_after, cut, hang))

    def put(self, manifest: Manifest) -> Manifest:
        """Create or replace an object as it is, status included, without any check."""
        with self._lock:
            manifest = copy.deepcopy(manifest)
            resource = resource_of(manifest)
            metadata = manifest["metadata"]
            if resource.namespaced:
                metadata.setdefault("namespace", "default")
            key = (resource.plural, metadata.get("namespace", ""), metadata["name"])
            return copy.deepcopy(self._store(key, born(manifest)))

    def get(self, plural: str, name: str, namespace: str = "") -> Manifest | None:
        with self._lock:
            return copy.deepcopy(self._objects.get((plural, namespace, name)))

    def all(self, plural: str) -> list[Manifest]:
        with self._lock:
            return [copy.deepcopy(o) for key, o in sorted(self._objects.items()) if key[0] == plural]

    def names(self) -> list[tuple[str, str, str]]:
        """Plural, namespace and name of all objects."""
        with self._lock:
            return sorted(self._objects)

    def remove(self, plural: str, name: str, namespace: str = "") -> None:
        """Let an object vanish, with all that it owns, and a namespace with all that is in it."""
        with self._lock:
            self._purge((plural, namespace, name))

    # What a request does. All of it runs under the lock.

    def answer(self, method: str, path: str, query: dict[str, str], kind: str, body: Any) -> tuple[int, Manifest | str]:
        """Carry out one request; of a dry run nothing stays."""
        with self._lock:
            before = copy.deepcopy(self._objects) if query.get("dryRun") == "All" else None
            try:
                return self._answer(method, path, query, kind, body)
            finally:
                self._objects = self._objects if before is None else before

    def _answer(self, method: str, path: str, query: dict[str, str], kind: str, body: Any) -> tuple[int, Any]:
        simple = self.answers[path] if path in self.answers else self._special(path)
        if simple is not None:
            return 200, simple
        target = self._target(path)
        if target.resource.kind == "SelfSubjectAccessReview":
            return 201, self._review(body)
        match method:
            case "GET":
                return 200, self._get(target, query)
            case "POST":
                return 201, self._post(target, body)
            case "PUT":
                return 200, self._replace(target, body)
            case "PATCH":
                return (
                    (200, self._scale(target, body))
                    if target.subresource == "scale"
                    else self._patch(target, kind, body)
                )
            case "DELETE":
                return 200, self._delete(target, query, body)
        raise ApiError(405, "MethodNotAllowed", f"{method} {path}")

    def _get(self, target: Target, query: dict[str, str]) -> Manifest | str:
        if target.name is None:
            return self._list(target, query)
        if target.subresource == "log":
            return self._log(target, query)
        return self._scale(target, None) if target.subresource == "scale" else self._read(target)

    def _post(self, target: Target, body: Manifest) -> Manifest:
        act = {"binding": self._bind, "eviction": self._evict}.get(target.subresource or "", self._create)
        return act(target, body)

    def fault(self, method: str, path: str) -> Fault | None:
        with self._lock:
            self.requests.append((method, path))
            for fault in self._faults:
                if fault.times > 0 and fault.method in ("", method) and re.search(fault.path, path):
                    fault.times -= 1
                    return fault
        return None

    def hang(self) -> None:
        self._release.wait()

    def _special(self, path: str) -> Manifest | None:
        return about_server(path, self.version, [r for r in RESOURCES if self._served(r)])

    def _target(self, path: str) -> Target:
        for resource in RESOURCES:
            root = root_path(resource)
            if not path.startswith(root + "/") or not self._served(resource):
                continue
            parts = [unquote(part) for part in path[len(root) + 1 :].split("/")]
            namespace = None
            if resource.namespaced and parts[0] == "namespaces" and len(parts) >= 3:
                namespace, parts = parts[1], parts[2:]
            if parts[0] != resource.plural or len(parts) > 3:
                continue
            name, subresource = [*parts[1:], None, None][:2]
            if subresource not in (None, "status", "binding", "finalize", "log", "scale", "eviction"):
                continue  # `namespaces/x/pods` are no part of the namespace
            return Target(resource, namespace, name, subresource)
        raise ApiError(404, "NotFound", "the server could not find the requested resource")

    def _served(self, resource: Resource) -> bool:
        name = f"{resource.plural}.{resource.group}"
        return not resource.custom or ("customresourcedefinitions", "", name) in self._objects

    def _review(self, body: Manifest) -> Manifest:
        asked = body["spec"]["resourceAttributes"]
        pairs = {(verb, plural) for verb in (asked["verb"], "*") for plural in (asked["resource"], "*")}
        return {**body, "status": {"allowed": not pairs & self.denied}}

    def _list(self, target: Target, query: dict[str, str]) -> Manifest:
        found = [
            o
            for (plural, namespace, _), o in sorted(self._objects.items())
            if plural == target.resource.plural
            and target.namespace in (None, namespace)
            and labels_match(o, query.get("labelSelector", ""))
            and fields_match(o, query.get("fieldSelector", ""))
        ]
        if target.resource.plural == "namespaces":
            for o in found:
                self._linger(o["metadata"]["name"])
        start = int(base64.b64decode(query["continue"])) if query.get("continue") else 0
        end = start + int(query["limit"]) if query.get("limit") else len(found)
        more = {"continue": base64.b64encode(str(end).encode()).decode()} if end < len(found) else {}
        return {
            "kind": f"{target.resource.kind}List",
            "apiVersion": f"{target.resource.group}/{target.resource.version}".lstrip("/"),
            "metadata": {"resourceVersion": str(self._revision), **more},
            # As the real one: the items of a list carry neither kind nor apiVersion.
            "items": [without(o, "kind", "apiVersion") for o in copy.deepcopy(found[start:end])],
        }

    def _read(self, target: Target) -> Manifest:
        key = self._key(target)
        if key not in self._objects:
            self._not_found(target)
        if key[0] == "namespaces":
            self._linger(key[2])
            if key not in self._objects:
                self._not_found(target)
        return copy.deepcopy(self._objects[key])

    def _log(self, target: Target, query: dict[str, str]) -> str:
        """As kubelets give it; `limitBytes` counts from the beginning of what `tailLines` leaves."""
        self._existing(target)
        text = self.logs.get((target.namespace or "", target.name or "", query["container"]))
        if text is None:
            waits = f'container "{query["container"]}" in pod "{target.name}" is waiting to start: ContainerCreating'
            raise ApiError(400, "BadRequest", waits)
        return "".join(text.splitlines(keepends=True)[-int(query["tailLines"]) :])[: int(query["limitBytes"])]

    def _create(self, target: Target, body: Manifest) -> Manifest:
        manifest = copy.deepcopy(body)
        metadata = manifest.setdefault("metadata", {})
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + uuid.uuid4().hex[:5]
        if target.namespace is not None:
            metadata["namespace"] = target.namespace
        self._check_new(target, metadata)
        if target.resource.status:
            manifest.pop("status", None)
        if target.resource.plural == "pods":
            self._admit_pod(manifest)
        if target.resource.plural == "nodes":  # admission does it, so a bare server, too
            manifest = tainted(manifest)
        manifest["apiVersion"] = f"{target.resource.group}/{target.resource.version}".lstrip("/")
        manifest["kind"] = target.resource.kind
        key = (target.resource.plural, metadata.get("namespace", ""), metadata["name"])
        return copy.deepcopy(self._store(key, born(manifest, generation=1)))

    def _bind(self, target: Target, body: Manifest) -> Manifest:
        pod = copy.deepcopy(self._existing(Target(target.resource, target.namespace, target.name, None)))
        if pod["spec"].get("nodeName"):
            raise ApiError(409, "Conflict", f'pod "{target.name}" is already assigned to a node')
        pod["spec"]["nodeName"] = body["target"]["name"]
        self._store(self._key(target), pod)
        return {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    def _admit_pod(self, pod: Manifest) -> None:
        namespace, account = pod["metadata"]["namespace"], pod["spec"].get("serviceAccountName", "default")
        if ("serviceaccounts", namespace, account) not in self._objects:
            raise ApiError(
                403,
                "Forbidden",
                f'pods "{pod["metadata"]["name"]}" is forbidden: error looking up service account '
                f'{namespace}/{account}: serviceaccount "{account}" not found',
            )

    def _finalize(self, target: Target, body: Manifest) -> Manifest:
        namespace = copy.deepcopy(self._existing(Target(target.resource, None, target.name, None)))
        if not body["spec"].get("finalizers"):
            self._objects.pop(self._key(target))  # what is in it stays, as in etcd
        return namespace

    def _check_new(self, target: Target, metadata: Manifest) -> None:
        resource, name = target.resource, metadata.get("name") or ""
        if len(name) > 253 or not re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", name):
            raise ApiError(422, "Invalid", f'{resource.kind} "{name}" is invalid: metadata.name: RFC 1123 subdomain')
        if resource.plural == "namespaces" and len(name) > 63:
            raise ApiError(422, "Invalid", f'Namespace "{name}" is invalid: metadata.name: at most 63 characters')
        namespace = metadata.get("namespace", "")
        if resource.namespaced:
            place = self._objects.get(("namespaces", "", namespace))
            if place is None:
                raise ApiError(404, "NotFound", f'namespaces "{namespace}" not found')
            if "deletionTimestamp" in place["metadata"]:
                raise ApiError(
                    403,
                    "Forbidden",
                    f'{resource.plural} "{name}" is forbidden: unable to create new content in namespace '
                    f"{namespace} because it is being terminated",
                )
        if (resource.plural, namespace, name) in self._objects:
            raise ApiError(409, "AlreadyExists", f'{resource.plural} "{name}" already exists')

    def _replace(self, target: Target, body: Manifest) -> Manifest:
        if target.subresource == "finalize":
            return self._finalize(target, body)
        old = self._existing(target)
        wanted = body.get("metadata", {}).get("resourceVersion")
        if wanted not in (None, "", old["metadata"]["resourceVersion"]):
            raise ApiError(409, "Conflict", f'"{target.name}": the object has been modified')
        return self._update(target, old, copy.deepcopy(body))

    def _patch(self, target: Target, kind: str, body: Any) -> tuple[int, Manifest | str]:
        if kind == "application/apply-patch+yaml" and self._key(target) not in self._objects:
            name = body.setdefault("metadata", {}).setdefault("name", target.name)
            return 201, self._create(Target(target.resource, target.namespace, name, None), body)
        if not isinstance(body, dict):
            raise ApiError(415, "UnsupportedMediaType", f"{kind}: a merge patch is a map")
        old = self._existing(target)
        wanted = body.get("metadata", {}).get("resourceVersion")
        if wanted not in (None, "", old["metadata"]["resourceVersion"]):
            raise ApiError(409, "Conflict", f'"{target.name}": the object has been modified')
        return 200, self._update(target, old, merged(copy.deepcopy(old), body))

    def _update(self, target: Target, old: Manifest, new: Manifest) -> Manifest:
        """Store a change, as far as it may reach: status through the subresource only, identity never."""
        if target.subresource == "status":
            new = {**copy.deepcopy(old), "status": new.get("status", {})}
            starts = [(o.get("status") or {}).get("startTime") for o in (old, new)]
            if target.resource.kind == "Job" and None not in starts[:1] and starts[0] != starts[1]:
                raise ApiError(422, "Invalid", f'Job "{target.name}" is invalid: status.startTime: cannot be changed')
        elif target.resource.status:
            new["status"] = copy.deepcopy(old.get("status", {}))
        new["apiVersion"], new["kind"] = old["apiVersion"], old["kind"]
        for name in ("uid", "creationTimestamp", "name", "namespace", "generation", "deletionTimestamp"):
            if name in old["metadata"]:
                new["metadata"][name] = old["metadata"][name]
        if new.get("spec") != old.get("spec"):
            new["metadata"]["generation"] = old["metadata"].get("generation", 1) + 1
        key = self._key(target)
        if "deletionTimestamp" in new["metadata"] and not new["metadata"].get("finalizers") and key[0] != "namespaces":
            self._purge(key)
            return new
        return copy.deepcopy(self._store(key, new))

    def _scale(self, target: Target, change: Any) -> Manifest:
        """A Deployment's replicas alone, read or changed."""
        o = self._existing(target)
        return scale_of(self._patch(target, "", change)[1] if change else o)

    def _evict(self, target: Target, eviction: Manifest) -> Manifest:
        if evicted_too_many(self._existing(target), self.all("poddisruptionbudgets")):
            raise ApiError(429, "TooManyRequests", "Cannot evict pod: it would violate the pod's disruption budget.")
        return self._delete(target, {}, eviction.get("deleteOptions"))

    def _delete(self, target: Target, query: dict[str, str], options: Any = None) -> Manifest:
        grace = query.get("gracePeriodSeconds") != "0"
        if target.name is None:
            listed = self._list(target, {k: v for k, v in query.items() if k.endswith("Selector")})
            for o in listed["items"]:
                metadata = o["metadata"]
                self._mark((target.resource.plural, metadata.get("namespace", ""), metadata["name"]), grace)
            return {"kind": "Status", "apiVersion": "v1", "status": "Success"}
        found = copy.deepcopy(self._existing(target))
        uid = found["metadata"]["uid"]
        if ((options or {}).get("preconditions") or {}).get("uid", uid) != uid:
            raise ApiError(409, "Conflict", f'"{target.name}": the precondition names another UID')
        self._mark(self._key(target), grace)
        return found

    def _mark(self, key: tuple[str, str, str], grace: bool = False) -> None:
        """What DELETE does: gone at once, unless something holds the object."""
        o = self._objects[key]
        # A pod on a node has its grace period, which only a kubelet ends.
        held = grace and self.bare and key[0] == "pods" and o["spec"].get("nodeName")
        held = held and o["spec"].get("terminationGracePeriodSeconds") != 0
        if key[0] != "namespaces" and not o["metadata"].get("finalizers") and not held:
            self._purge(key)
            return
        o["metadata"].setdefault("deletionTimestamp", now())
        if key[0] == "namespaces":
            o["status"] = {"phase": "Terminating"}
            if self.bare:
                return
            for inside in [k for k in self._objects if k[1] == key[2]]:
                self._purge(inside)
            if self.linger <= 0:
                self._purge(key)

    def _linger(self, namespace: str) -> None:
        if self.bare or "deletionTimestamp" not in self._objects[("namespaces", "", namespace)]["metadata"]:
            return
        self._seen[namespace] = self._seen.get(namespace, 0) + 1
        if self._seen[namespace] > self.linger:
            self._purge(("namespaces", "", namespace))

    def _purge(self, key: tuple[str, str, str]) -> None:
        """Take an object away, then what it owned, as the garbage collector would."""
        gone = self._objects.pop(key, None)
        if gone is None:
            return
        self._revision += 1
        if self.bare:
            return
        if key[0] == "namespaces":
            self._seen.pop(key[2], None)
            for inside in [k for k in self._objects if k[1] == key[2]]:
                self._purge(inside)
        uid = gone["metadata"]["uid"]
        for owned in [k for k, o in self._objects.items() if uid in owners(o)]:
            if owned in self._objects:
                self._mark(owned)

    def _key(self, target: Target) -> tuple[str, str, str]:
        return target.resource.plural, target.namespace or "", target.name or ""

    def _existing(self, target: Target) -> Manifest:
        return self._objects.get(self._key(target)) or self._not_found(target)

    def _not_found(self, target: Target) -> Manifest:
        group = f".{target.resource.group}" if target.resource.group else ""
        raise ApiError(404, "NotFound", f'{target.resource.plural}{group} "{target.name}" not found')

    def _store(self, key: tuple[str, str, str], manifest: Manifest) -> Manifest:
        self._revision += 1
        if key[0] == "nodes" and not self.bare:
            manifest = tainted(manifest)
        manifest["metadata"]["resourceVersion"] = str(self._revision)
        self._objects[key] = manifest
        return manifest
