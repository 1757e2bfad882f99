"""protocol/learners."""
