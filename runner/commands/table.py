"""The runner's commands, for a program to offer. `program` loads the one that is asked for."""

from __future__ import annotations

from runner.commands.program import Commands, Entry

COMMANDS: Commands = {
    "train": Entry("runner.commands.train:train", "Train an agent; everything about it ends up in one folder."),
    "step": Entry("runner.commands.step:step", "Play one step: replay, observe, act, replay, reward."),
    "episode": Entry(
        "runner.commands.episode:episode", "Play one episode, greedily and without learning, step by step."
    ),
    "evaluate": Entry(
        "runner.commands.evaluate:evaluate", "Compare agents on a fixed suite, generated problems or traces."
    ),
    "benchmark": Entry(
        "runner.commands.benchmark:benchmark", "Measure how well a language model right-sizes workloads."
    ),
    "report": Entry("runner.commands.report:report", "Write trainings, a benchmark or an evaluation as one HTML page."),
    "suggest": Entry("runner.commands.suggest:suggest", "Print what would make workloads Ready, as kubectl patches."),
    "plan": Entry("runner.commands.plan:plan", "Find the fewest or cheapest nodes that hold what is there."),
    "trace": Entry("", "Look into traces, upgrade old ones, make and generate new ones, solve them."),
    "trace show": Entry("runner.commands.trace:show", "Show what a trace holds."),
    "trace upgrade": Entry("runner.commands.trace:upgrade", "Bring a trace to version 2, which SimKube 2.x reads."),
    "trace make": Entry("runner.commands.trace_make:make", "Make a trace of Kubernetes manifests."),
    "trace generate": Entry("runner.commands.trace:generate", "Write traces of solvable problems."),
    "trace record": Entry("runner.commands.trace_record:record", "Record a running cluster as a trace."),
    "trace solve": Entry("runner.commands.trace:solve", "Find the least number of actions that solves a trace."),
    "fidelity": Entry("runner.commands.fidelity:fidelity", "Compare the engine with what a control plane decided."),
    "truth": Entry("", "Record what a real control plane decides."),
    "truth record": Entry("runner.commands.truth:record", "Play scenarios on a cluster and write what it decided."),
    "mcp": Entry("runner.commands.mcp:mcp", "Serve tools by MCP: look at a cluster or a trace, or play the gym."),
    "rl": Entry("", "Let an agent diagnose a whole cluster, a real one or a simulated one."),
    "rl train": Entry("runner.commands.rl_train:train", "Train a doctor on simulated clusters, and examine it."),
    "rl diagnose": Entry("runner.commands.rl:diagnose", "Find out what is wrong with a cluster, and say what to do."),
    "rl status": Entry("runner.commands.rl_environment:status", "Show what there is for training."),
    "rl setup": Entry("runner.commands.rl_environment:setup", "Install PufferLib in an environment of its own."),
    "rl remove": Entry("runner.commands.rl_environment:remove", "Delete the environment that setup has made."),
    "doctor": Entry("runner.commands.doctor:doctor", "Check whether a Kubernetes can run simulations."),
}

BENCHMARKS: Commands = {
    "bench": Entry("", "Measure how fast things are on this machine, and how well agents learn."),
    "bench env": Entry("runner.bench.commands:env", "Measure steps of environments and placed pods per second."),
    "bench suggest": Entry("runner.bench.commands:suggest", "Measure how long an answer about many workloads takes."),
    "bench season-fit": Entry(
        "runner.bench.season_fit:season_fit", "Compare the workloads that Season-v0 generates with real series."
    ),
    "bench dqn": Entry("runner.bench.commands:dqn", "Measure our DQN's speed beside Stable-Baselines3's."),
    "bench ppo": Entry("runner.bench.commands:ppo", "Measure our PPO beside Stable-Baselines3's."),
    "bench learning": Entry(
        "runner.bench.commands:learning", "Measure how well our DQN and Stable-Baselines3's learn."
    ),
    "bench ablation": Entry(
        "runner.bench.commands:ablation", "Measure what each part of the DQN and each reward is worth."
    ),
}
