"""infra/ec2/launch."""
