"""The seam between the protocol and what trains: the only room of the protocol that knows the runner.

To read in this order: `inputs` (what `dispatch submit` takes from its user, checked and uploaded), `nodes` (a job's
nodes, as its manifest says them), `materials` (what a worker reads of that, by content hash), `packages` (what must be
installed for a job), `environments` (those that are trained by epochs) and `compiling` (what is compiled), both before
it is claimed, `training`, `epochs` and `collection` (the runner's trainings and episodes as the `JobLearner` of an
attempt), `learner` (the public seam: what a package of a user's writes to be federated), `catalogue` (such learners by
name), `asking` (what such a learner raises), `returned` (what it returns), `named` (one of them as the `JobLearner` of
an attempt), `digits` (the one that comes along), `trace_bucket` (traces on their way to SimKube's driver).

Imports `runner`, `agents` and `env`, and of the protocol `wire`, `rounds`, `jobs` and `worker`; not `commands`.
"""
