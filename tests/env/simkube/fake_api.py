"""A small Kubernetes API server over real HTTP: keeps objects as the real one does, and fails on demand.

    with FakeApi() as api:
        api.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}})
        api.fail(429, path="/pods", times=2, retry_after=1)
        ...  # a client talks to api.url, or through api.write_kubeconfig(path)
        assert api.get("simulations", "mine") is None

It has what the real API server and its garbage collector do (names, namespaces that terminate, owners, generations,
status subresources, selectors, chunked lists, conflicts, admission of pods and nodes). What controllers, schedulers and
kubelets do, it has not: see `world.py`. A `bare` one is as etcd and kube-apiserver alone: nothing that is owned goes
with its owner, and a namespace ends when somebody has finalized it.
"""

from __future__ import annotations

import base64
import copy
import json
import re
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

Manifest = dict[str, Any]

SPARED = "world"
"""The User-Agent of requests that meet no faults and are not recorded: they play the rest of the cluster."""


@dataclass(frozen=True)
class Resource:
    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    status: bool = False
    """Whether status can only be written through the subresource."""
    custom: bool = False
    """Whether it is served only while its CustomResourceDefinition exists."""


RESOURCES = (
    Resource("", "v1", "namespaces", "Namespace", False, status=True),
    Resource("", "v1", "nodes", "Node", False, status=True),
    Resource("", "v1", "pods", "Pod", True, status=True),
    Resource("", "v1", "events", "Event", True),
    Resource("", "v1", "serviceaccounts", "ServiceAccount", True),
    Resource("", "v1", "secrets", "Secret", True),
    Resource("", "v1", "configmaps", "ConfigMap", True),
    Resource("", "v1", "services", "Service", True),
    Resource("apps", "v1", "deployments", "Deployment", True, status=True),
    Resource("apps", "v1", "replicasets", "ReplicaSet", True, status=True),
    Resource("apps", "v1", "statefulsets", "StatefulSet", True, status=True),
    Resource("apps", "v1", "daemonsets", "DaemonSet", True, status=True),
    Resource("batch", "v1", "jobs", "Job", True, status=True),
    Resource("batch", "v1", "cronjobs", "CronJob", True, status=True),
    Resource("coordination.k8s.io", "v1", "leases", "Lease", True),
    Resource("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", False),
    Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False),
    Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False),
    Resource("simkube.io", "v1", "simulations", "Simulation", False, status=True, custom=True),
    Resource("simkube.io", "v1", "simulationroots", "SimulationRoot", False, custom=True),
    Resource("kwok.x-k8s.io", "v1alpha1", "stages", "Stage", False, custom=True),
    Resource("cert-manager.io", "v1", "clusterissuers", "ClusterIssuer", False, status=True, custom=True),
)


@dataclass
class Fault:
    """What goes wrong with the next `times` requests that match."""

    status: int | None
    method: str
    path: str
    times: int
    reason: str = ""
    retry_after: int | None = None
    cut: bool = False
    hang: bool = False


class ApiError(Exception):
    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message

    def status(self) -> Manifest:
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "code": self.code,
            "reason": self.reason,
            "message": self.message,
        }


_REASONS = {
    400: "BadRequest",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}


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
    """

    def __init__(self, *, version: str = "v1.36.0", bare: bool = False) -> None:
        self.requests: list[tuple[str, str]] = []
        self.denied: set[tuple[str, str]] = set()
        self.linger = 0
        self.version = version
        self.bare = bare
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
        self._server = _server(self)
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
            resource = _resource_of(manifest)
            metadata = manifest["metadata"]
            if resource.namespaced:
                metadata.setdefault("namespace", "default")
            key = (resource.plural, metadata.get("namespace", ""), metadata["name"])
            return copy.deepcopy(self._store(key, _born(manifest)))

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

    def answer(self, method: str, path: str, query: dict[str, str], kind: str, body: Any) -> tuple[int, Manifest]:
        """Carry out one request."""
        with self._lock:
            simple = self._special(path)
            if simple is not None:
                return 200, simple
            target = self._target(path)
            if target.resource.kind == "SelfSubjectAccessReview":
                return 201, self._review(body)
            match method:
                case "GET" if target.name is None:
                    return 200, self._list(target, query)
                case "GET":
                    return 200, self._read(target)
                case "POST" if target.subresource == "binding":
                    return 201, self._bind(target, body)
                case "POST":
                    return 201, self._create(target, body)
                case "PUT":
                    return 200, self._replace(target, body)
                case "PATCH":
                    return self._patch(target, kind, body)
                case "DELETE":
                    return 200, self._delete(target, query)
        raise ApiError(405, "MethodNotAllowed", f"{method} {path}")

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
        if path == "/version":
            major, minor = self.version.removeprefix("v").split(".")[:2]
            return {"major": major, "minor": minor, "gitVersion": self.version, "platform": "linux/amd64"}
        if path in ("/readyz", "/livez", "/healthz"):
            return {"status": "ok"}
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        served = [r for r in RESOURCES if self._served(r)]
        if path == "/apis":
            groups = sorted({(r.group, r.version) for r in served if r.group})
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(g, v) for g, v in groups]}
        here = [r for r in served if path == _root(r)]
        if not here:
            return None
        version = f"{here[0].group}/{here[0].version}".lstrip("/")
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": version,
            "resources": [_discovered(r) for r in here],
        }

    def _target(self, path: str) -> Target:
        for resource in RESOURCES:
            root = _root(resource)
            if not path.startswith(root + "/") or not self._served(resource):
                continue
            parts = [unquote(part) for part in path[len(root) + 1 :].split("/")]
            namespace = None
            if resource.namespaced and parts[0] == "namespaces" and len(parts) >= 3:
                namespace, parts = parts[1], parts[2:]
            if parts[0] != resource.plural or len(parts) > 3:
                continue
            name, subresource = [*parts[1:], None, None][:2]
            if subresource not in (None, "status", "binding", "finalize"):
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
            and _labels_match(o, query.get("labelSelector", ""))
            and _fields_match(o, query.get("fieldSelector", ""))
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
            "items": [_without(o, "kind", "apiVersion") for o in copy.deepcopy(found[start:end])],
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
        if target.resource.plural == "nodes":  # until its kubelet has said that it is
            not_ready = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
            spec = manifest.setdefault("spec", {})
            spec["taints"] = [*(spec.get("taints") or ()), not_ready]
        manifest["apiVersion"] = f"{target.resource.group}/{target.resource.version}".lstrip("/")
        manifest["kind"] = target.resource.kind
        key = (target.resource.plural, metadata.get("namespace", ""), metadata["name"])
        return copy.deepcopy(self._store(key, _born(manifest, generation=1)))

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

    def _patch(self, target: Target, kind: str, body: Any) -> tuple[int, Manifest]:
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

    def _delete(self, target: Target, query: dict[str, str]) -> Manifest:
        grace = query.get("gracePeriodSeconds") != "0"
        if target.name is None:
            listed = self._list(target, {k: v for k, v in query.items() if k.endswith("Selector")})
            for o in listed["items"]:
                metadata = o["metadata"]
                self._mark((target.resource.plural, metadata.get("namespace", ""), metadata["name"]), grace)
            return {"kind": "Status", "apiVersion": "v1", "status": "Success"}
        found = copy.deepcopy(self._existing(target))
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
        o["metadata"].setdefault("deletionTimestamp", _now())
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
        for owned in [k for k, o in self._objects.items() if uid in _owners(o)]:
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
        manifest["metadata"]["resourceVersion"] = str(self._revision)
        self._objects[key] = manifest
        return manifest


def definition(resource: Resource) -> Manifest:
    """The CustomResourceDefinition of a resource, without a schema worth the name."""
    schema: Manifest = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    if resource.kind == "Simulation":
        schema["properties"] = {"spec": {"type": "object", "properties": {"lifecycleParams": {"type": "object"}}}}
        schema["properties"]["spec"]["x-kubernetes-preserve-unknown-fields"] = True
        schema["properties"]["status"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version: Manifest = {
        "name": resource.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    if resource.status:
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{resource.group}"},
        "spec": {
            "group": resource.group,
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "names": {
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
            },
            "versions": [version],
        },
        "status": {"conditions": [{"type": "Established", "status": "True"}]},
    }


def merged(old: Any, patch: Any) -> Any:
    """A JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = old if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def _born(manifest: Manifest, generation: int | None = None) -> Manifest:
    metadata = manifest["metadata"]
    metadata.setdefault("uid", str(uuid.uuid4()))
    metadata.setdefault("creationTimestamp", _now())
    if generation is not None or "generation" not in metadata:
        metadata["generation"] = generation or 1
    if manifest["kind"] == "Namespace":
        manifest.setdefault("status", {"phase": "Active"})
        metadata.setdefault("labels", {})["kubernetes.io/metadata.name"] = metadata["name"]
    return manifest


def _resource_of(manifest: Manifest) -> Resource:
    group, _, version = manifest["apiVersion"].rpartition("/")
    for resource in RESOURCES:
        if (resource.group, resource.version, resource.kind) == (group, version, manifest["kind"]):
            return resource
    raise LookupError(f"{manifest['apiVersion']} {manifest['kind']}: not served here")


def _root(resource: Resource) -> str:
    return f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"


def _group(group: str, version: str) -> Manifest:
    entry = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [entry], "preferredVersion": entry}


def _discovered(resource: Resource) -> Manifest:
    verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update"]
    return {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": ["create"] if resource.kind == "SelfSubjectAccessReview" else verbs,
    }


def _labels_match(o: Manifest, selector: str) -> bool:
    labels = o["metadata"].get("labels") or {}
    return all(_requirement_holds(labels, part.strip()) for part in _split(selector))


def _split(selector: str) -> Iterator[str]:
    """The parts of a selector, at commas outside of parentheses."""
    return (part for part in re.split(r",(?![^(]*\))", selector) if part.strip())


def _requirement_holds(labels: dict[str, str], part: str) -> bool:
    if match := re.fullmatch(r"(\S+)\s+(in|notin)\s+\((.*)\)", part):
        values = [value.strip() for value in match[3].split(",")]
        return (labels.get(match[1]) in values) == (match[2] == "in")
    if "!=" in part:
        key, _, value = part.partition("!=")
        return labels.get(key) != value
    if "=" in part:
        key, value = re.split(r"==?", part, maxsplit=1)
        return labels.get(key) == value
    return part[1:] not in labels if part.startswith("!") else part in labels


def _fields_match(o: Manifest, selector: str) -> bool:
    for part in _split(selector):
        path, operator, value = re.split(r"(!=|==|=)", part, maxsplit=1)
        found: Any = o
        for step in path.split("."):
            found = found.get(step, "") if isinstance(found, dict) else ""
        if (str(found) == value) == (operator == "!="):
            return False
    return True


def _owners(o: Manifest) -> list[str]:
    return [reference["uid"] for reference in o["metadata"].get("ownerReferences") or ()]


def _without(o: Manifest, *keys: str) -> Manifest:
    return {key: value for key, value in o.items() if key not in keys}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _server(api: FakeApi) -> ThreadingHTTPServer:
    return _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": api}))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that went away in the middle of an answer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two packets; the second would wait 40 ms for an ACK
    api: FakeApi

    def log_message(self, *args: object) -> None:
        pass

    def handle_any(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        spared = self.headers.get("User-Agent") == SPARED
        fault = None if spared else self.api.fault(self.command, self.path)
        if fault is not None and fault.hang:
            self.api.hang()
            self.close_connection = True
        elif fault is not None and not fault.cut:
            code = fault.status or 500
            error = ApiError(code, fault.reason or _REASONS.get(code, "Unknown"), f"injected {code}")
            self.reply(code, error.status(), fault.retry_after)
        else:
            self.answer(raw, cut=fault is not None)

    def answer(self, raw: bytes, *, cut: bool) -> None:
        url = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        kind = self.headers.get("Content-Type", "").split(";")[0]
        try:
            body = yaml.safe_load(raw) if "yaml" in kind else json.loads(raw or b"null")
            code, document = self.api.answer(self.command, url.path.rstrip("/"), query, kind, body)
        except ApiError as error:
            code, document = error.code, error.status()
        self.reply(code, document, cut=cut)

    def reply(self, code: int, document: Manifest, retry_after: int | None = None, *, cut: bool = False) -> None:
        data = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = self.close_connection or cut

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any
