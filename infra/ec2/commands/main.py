"""`ec2-workers`: fleets of workers on EC2."""

from __future__ import annotations

from infra.ec2.commands import bake, launch, logs, stack, status, terminate
from runner.commands.console import new_app, run

app = new_app("Launch, watch and end fleets of workers on EC2. What they need of AWS is one stack: see setup.")
stack.register(app)
launch.register(app)
status.register(app)
logs.register(app)
terminate.register(app)
bake.register(app)


def main() -> None:
    run(app)
