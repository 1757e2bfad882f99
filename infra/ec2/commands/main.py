"""`ec2-workers`: fleets of workers on EC2. A table of its commands."""

from __future__ import annotations

from runner.commands.program import Commands, Entry, program

COMMANDS: Commands = {
    "setup": Entry("infra.ec2.commands.stack:setup", "Make what fleets need, as one CloudFormation stack."),
    "launch": Entry("infra.ec2.commands.launch:launch", "Launch machines until COUNT of the group live."),
    "status": Entry("infra.ec2.commands.status:status", "Show all machines: state, age, cost so far, job."),
    "logs": Entry("infra.ec2.commands.logs:logs", "Print the end of a machine's logs."),
    "terminate": Entry("infra.ec2.commands.terminate:terminate", "End instances: some by id, a group's, or all."),
    "bake": Entry("infra.ec2.commands.bake:bake", "Make an image for `launch --ami`."),
    "teardown": Entry("infra.ec2.commands.stack:teardown", "Take the stack away."),
}

app = program(
    "Launch, watch and end fleets of workers on EC2. What they need of AWS is one stack: see setup.", COMMANDS
)
