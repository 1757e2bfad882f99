"""The commands of `sim-arena` that run agents, traces and clusters: one file each.

May import all of `runner` but `bench`; heavy modules inside functions, so that `--help` stays fast. Read `program`
first (a program as a table of commands; only the one asked for is imported) and `table` (the commands of this
folder), then `train` with `run_config`, `environments` (what `--env` can train) and `training_of_*` (how), `step` and
`episode` with `episode_request`, `season_episode`, `fleet_episode` and `saved_trace`, `evaluate`, `benchmark`,
`suggest`, `trace`, `fidelity`, `truth`, `doctor`, `rl` with `rl_train` and `rl_environment`, `mcp`. `console` (where
output goes, exit codes), `fitted` (the one table), `tables` and `interrupt` are shared. Options that several commands
take are in `runner.options`.
"""
