"""Workers as pods: the Kubernetes Job that `sim-arena workers job` prints.

Imports the protocol's keys and bucket, and of ec2 what puts a wheel into the bucket; no Kubernetes client, as the
manifest is data. In the order to read it:

    job.py           from a wish to the manifests: ServiceAccount and Indexed Job
    install.py       what a pod runs first: the wheel from the bucket, all packages by their hashes
    commands.py      `sim-arena workers job`
    Containerfile    an image with Sim-Arena in it, for `--image`
"""
