"""The virtual nodes of a replay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from env.errors import ConfigError, ScenarioError
from runner.options import completion

if TYPE_CHECKING:
    from env.problems.nodes import NodePool, NodePools


@dataclass(frozen=True, kw_only=True)
class NodesChoice:
    """How many nodes, and of which size; None leaves it to the trace."""

    panel: ClassVar[str] = "Workload"

    nodes: Annotated[
        str | None,
        typer.Option(
            metavar="NODES",
            help="Virtual nodes: 3; 3x16:32Gi (CPU:memory); 3xm6i.xlarge,2xg5.xlarge; or a file of Node manifests. "
            "Default: the trace's own, else 3.",
            autocompletion=completion.nodes,
        ),
    ] = None
    node_cpu: Annotated[
        str | None, typer.Option(metavar="CPU", help="Each node's CPU, where --nodes is a number. Default: 16.")
    ] = None
    node_memory: Annotated[
        str | None, typer.Option(metavar="MEMORY", help="Each node's memory, likewise. Default: 32Gi.")
    ] = None
    node_pods: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Pods that each node takes, likewise. Default: 110.")
    ] = None
    node_label: Annotated[
        tuple[str, ...],
        typer.Option(metavar="KEY=VALUE", help="A label of all nodes (with --nodes). May be given again."),
    ] = ()
    node_taint: Annotated[
        tuple[str, ...],
        typer.Option(metavar="KEY=VALUE:EFFECT", help="A taint of all nodes (with --nodes). May be given again."),
    ] = ()

    def pools(self) -> NodePools | None:
        """The nodes that the options say; None: each trace's own.

        Raises:
            ConfigError: not a form of nodes, or options that do not go together.
            QuantityError: a size that is no quantity.
        """
        from env.problems.node_text import is_count, parse_labels, parse_nodes, parse_taints

        sizes = {"--node-cpu": self.node_cpu, "--node-memory": self.node_memory, "--node-pods": self.node_pods}
        given: dict[str, object] = {option: value for option, value in sizes.items() if value is not None}
        if self.nodes is None:
            given |= {f"--node-label {text}": "" for text in self.node_label}
            given |= {f"--node-taint {text}": "" for text in self.node_taint}
            for option, value in given.items():
                raise ConfigError(f"{option} {value}".rstrip() + ": needs --nodes, such as --nodes 3")
            return None
        for option, value in given.items() if not is_count(self.nodes) else ():
            raise ConfigError(f"{option} {value}: the nodes of --nodes {self.nodes} have their own size; leave it out")
        option = f"--nodes {self.nodes}"
        try:
            found = parse_nodes(self.nodes, self._size())
            option = "--node-label"
            labels = parse_labels(self.node_label)
            option = "--node-taint"
            return found.marked(labels, parse_taints(self.node_taint))
        except ScenarioError as error:
            raise ConfigError(f"{option}: {error}") from error

    def _size(self) -> NodePool:
        """The size of nodes of which only the number is said."""
        from env.problems.nodes import NodePool
        from env.quantity import parse_cpu, parse_memory

        size = NodePool()
        return NodePool(
            cpu_m=size.cpu_m if self.node_cpu is None else parse_cpu(self.node_cpu),
            memory_bytes=size.memory_bytes if self.node_memory is None else parse_memory(self.node_memory),
            pods=size.pods if self.node_pods is None else self.node_pods,
        )
