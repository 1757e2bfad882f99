"""infra/ec2/commands."""
