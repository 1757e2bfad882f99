"""`ec2-workers`: fleets of workers on EC2."""

from __future__ import annotations

from env.cli import new_app, run
from infra.ec2 import bake_cli, launch_cli, logs, stack_cli, status_cli, terminate_cli

app = new_app("Launch, watch and end fleets of workers on EC2. What they need of AWS is one stack: see setup.")
stack_cli.register(app)
launch_cli.register(app)
status_cli.register(app)
logs.register(app)
terminate_cli.register(app)
bake_cli.register(app)


def main() -> None:
    run(app)
