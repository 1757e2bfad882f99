"""Agents at work: one step, one episode, trainings, evaluation and plots."""
