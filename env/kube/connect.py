"""From a kubeconfig, or from inside a pod, to a connection to its API server."""

from __future__ import annotations

import os
from typing import Any

import kubernetes
from kubernetes import client, config

from env.errors import ConfigError
from env.kube.bounded import BoundedPool
from env.kube.client import KubeApi, Timer, plain

CLIENT_VERSION: str = kubernetes.__version__


def connect(context: str | None = None, *, kubeconfig: str | None = None, timer: Timer | None = None) -> KubeApi:
    """The API server of a kubeconfig's context, or of the cluster that this process runs in.

    Args:
        context: Its name; None: the current one.
        kubeconfig: The file; None: KUBECONFIG, else ~/.kube/config, else the pod's service account.
        timer: Clock and sleep.

    Raises:
        ConfigError: No kubeconfig, no such context, or a damaged one.
    """
    settings = client.Configuration()
    kubeconfig = kubeconfig or os.environ.get("KUBECONFIG") or None  # the client reads it once, at its import
    try:
        try:
            config.load_kube_config(kubeconfig, context, client_configuration=settings)
        except config.ConfigException as missing:
            if context is not None or kubeconfig is not None:
                raise
            try:
                config.load_incluster_config(client_configuration=settings)
            except config.ConfigException:
                raise missing from None
    except Exception as error:  # the client passes on every exception of its parsers
        raise _unusable(str(error).partition("\n")[0], kubeconfig, context) from error
    if not settings.host.startswith(("https://", "http://")):
        raise _unusable(f"server {settings.host!r} must be a URL, https://…", kubeconfig, context)
    settings.retries = False  # they would sleep on their own clock
    connection, timer = client.ApiClient(settings), timer or Timer()
    rest: Any = connection.rest_client
    rest.pool_manager = BoundedPool(rest.pool_manager, timer)
    return KubeApi(connection, timer)


def _unusable(reason: str, kubeconfig: str | None, context: str | None) -> ConfigError:
    what = "kubeconfig" + (f" {kubeconfig}" if kubeconfig else "") + (f", context {context}" if context else "")
    return ConfigError(f"{what}: {plain(reason).rstrip('.')}; set KUBECONFIG, or see: kubectl config get-contexts")


def context_name(context: str | None = None, *, kubeconfig: str | None = None) -> str:
    """What `connect` with the same arguments connects to: a context's name, or `in-cluster`."""
    if context is not None:
        return context
    try:
        _, current = config.list_kube_config_contexts(kubeconfig or os.environ.get("KUBECONFIG") or None)
        return str(current["name"])
    except Exception:  # the client passes on every exception of its parsers
        return "in-cluster"
