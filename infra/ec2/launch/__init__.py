"""From what was asked for to living instances. Decisions are pure; `launcher.py` and `bake.py` ask EC2.

Imports `infra.ec2.aws`, `infra.ec2.fleet`, `infra.ec2.stack` and `infra.ec2.watch`. In the order to read it:

    pins.py         the versions that an instance fetches, by hash
    user_data.py    what an instance is told: one cloud-config
    code.py         the wheel that instances install, in the bucket by content hash
    prices.py       what an instance costs
    offers.py       which offer is asked for next, and what each error of EC2 means
    plan.py         a launch resolved against the account; creates nothing
    interrupt.py    Ctrl-C while instances may be starting
    launcher.py     RunInstances until enough live
    bake.py         an image with everything installed
"""
