"""The CloudFormation stack of a bucket in a region: what instances and people need before the first launch.

Imports `infra.ec2.aws`, `infra.ec2.fleet` and `infra.access`. In the order to read it:

    template.py       the resources
    permissions.py    what instances and launchers may do
    description.py    a stack as AWS describes it, and why a change failed
    changes.py        create, update, delete; `next_action` decides from the status
    own_bucket.py     region, owner and protection of the bucket
    teardown.py       what still needs the stack, and what stays when it is gone
"""
