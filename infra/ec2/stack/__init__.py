"""infra/ec2/stack."""
