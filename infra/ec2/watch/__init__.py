"""infra/ec2/watch."""
