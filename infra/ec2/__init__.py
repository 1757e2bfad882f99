"""Workers on EC2: `ec2-workers`. The tags on the instances are the only inventory.

Imports access, local and the protocol; boto3 through `aws.py` alone. In the order to read it:

    aws.py       an account in one region; its errors in one line
    fleet.py     the tags of instances, written and read back
    stack/       what a bucket needs once: role, security group, policies
    launch/      from a wish to living instances, and images baked ahead
    boot/        the scripts and units that run on an instance
    watch/       the state of instances, and their termination
    commands/    one file a command
"""
