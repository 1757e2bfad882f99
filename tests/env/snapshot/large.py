"""Measures how long a large cluster takes to read, and how much memory: python tests/env/snapshot/large.py [PODS]

An API server in another process serves pods as large as real ones (8 kB each, with managed fields), 10 to a
Deployment with three old ReplicaSets, 25 to a node. Printed are seconds, CPU seconds and peak memory of the reader.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

Manifest = dict[str, Any]

FILLER = [{"manager": "kubelet", "fieldsV1": {f"f:field-{number:04}": {} for number in range(220)}}]
REQUESTS = {"requests": {"cpu": "100m", "memory": "1Mi"}}
READY = {"readyReplicas": 10, "updatedReplicas": 10}
ENV = [{"name": f"VARIABLE_{n}", "value": "x" * 40} for n in range(40)]
TEMPLATE = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "app", "image": "web:1", "resources": REQUESTS, "env": ENV}]},
}


def collections(pods: int) -> dict[str, tuple[int, Callable[[int], Manifest]]]:
    """By the end of the path: how many objects, and the one of a number."""
    apps = pods // 10
    return {
        "nodes": (pods // 25, _node),
        "namespaces": (20, lambda n: _object(f"ns-{n}", None)),
        "deployments": (apps, lambda n: _object(f"web-{n}", n % 20, spec=_spec(10), status=READY)),
        "replicasets": (4 * apps, lambda n: _replica_set(n // 4, n % 4)),
        "pods": (pods, _pod),
    }


def _object(name: str, namespace: int | None, **rest: Any) -> Manifest:
    metadata = {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": FILLER}
    return {"metadata": metadata | ({} if namespace is None else {"namespace": f"ns-{namespace}"}), **rest}


def _spec(replicas: int) -> Manifest:
    return {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}


def _node(number: int) -> Manifest:
    images = [{"names": [f"image-{n}" * 10], "sizeBytes": 1} for n in range(50)]
    status = {"allocatable": {"cpu": "8", "memory": "32Gi", "pods": "110"}, "images": images}
    return _object(f"node-{number}", None, spec={}, status=status)


def _replica_set(app: int, revision: int) -> Manifest:
    made = _object(f"web-{app}-r{revision}", app % 20, spec=_spec(0 if revision else 10))
    made["metadata"]["ownerReferences"] = [_owner("Deployment", f"web-{app}")]
    return made


def _pod(number: int) -> Manifest:
    app = number // 10
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
              "containerStatuses": [{"name": "app", "state": {"running": {}}}]}  # fmt: skip
    made = _object(f"web-{app}-r0-{number}", app % 20, spec={**TEMPLATE["spec"], "nodeName": f"node-{number // 25}"},
                   status=status)  # fmt: skip
    made["metadata"]["ownerReferences"] = [_owner("ReplicaSet", f"web-{app}-r0")]
    made["metadata"]["labels"] = {"pod-template-hash": "r0"}
    return made


def _owner(kind: str, name: str) -> Manifest:
    return {"apiVersion": "apps/v1", "kind": kind, "name": name, "controller": True}


def serve(pods: int, pipe: Any) -> None:
    served = collections(pods)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {key: values[-1] for key, values in parse_qs(url.query).items()}
            total, make = served.get(url.path.rpartition("/")[2], (0, _node))
            start, limit = int(query.get("continue", 0)), int(query.get("limit", total))
            end = min(start + limit, total)
            metadata = {"continue": str(end)} if end < total else {}
            data = json.dumps({"metadata": metadata, "items": [make(n) for n in range(start, end)]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    pipe.send(server.server_address[1])
    server.serve_forever()


def main(pods: int) -> None:
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(pods, theirs), daemon=True)
    server.start()
    document = {
        "current-context": "large",
        "contexts": [{"name": "large", "context": {"cluster": "large", "user": "large"}}],
        "clusters": [{"name": "large", "cluster": {"server": f"http://127.0.0.1:{ours.recv()}"}}],
        "users": [{"name": "large", "user": {}}],
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kubeconfig"
        path.write_text(yaml.safe_dump(document))
        from env.kube.connect import connect
        from env.snapshot.live import read_cluster
        from env.snapshot.snapshot import trace_of

        api, start = connect(kubeconfig=str(path)), time.monotonic()
        snapshot = read_cluster(api, "context large")
        size = len(trace_of(snapshot).to_bytes())
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"{pods:,} pods, {len(snapshot.objects):,} objects, a trace of {size:,} bytes: "
          f"{time.monotonic() - start:.1f} s, CPU {used.ru_utime + used.ru_stime:.1f} s, "
          f"peak {used.ru_maxrss / 1024:.0f} MiB")  # fmt: skip
    server.terminate()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000)
