"""The state of instances, and their termination.

Imports `infra.ec2.aws`, `infra.ec2.fleet` and the protocol. In the order to read it:

    reports.py        what an instance writes of itself into the bucket; nothing of it is trusted
    states.py         the state of an instance: a pure function of EC2, its report and its job
    status.py         all instances of the regions asked, with jobs and cost
    termination.py    which instances are meant, and the result for each
"""
