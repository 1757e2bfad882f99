"""Fleets of workers on EC2: `ec2-workers`."""
