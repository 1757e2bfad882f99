"""Where Sim-Arena runs: this machine, EC2 and Kubernetes; and what is proven and measured about them.

The top room: it may import every other one, and none imports it.

    commands.py    `sim-arena`, put together from the commands of all rooms
    local/         an S3 server and a whole federation on this machine
    access/        IAM policies by role
    ec2/           `ec2-workers`: instances that find the bucket and work
    kubernetes/    `sim-arena workers job`: workers as pods
    proof/         what is proven: simulation, chaos, conformance, model; a real control plane for tests
    bench/         what is measured: the protocol's cost, what more members are worth

Only `commands.py` knows proof and bench; import-linter checks that local, access, ec2 and kubernetes import neither.
"""
