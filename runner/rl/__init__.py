"""A doctor at a real cluster: who acts, the run, the report; and PufferLib in an environment of its own.

It may import `env`, `agents`, and of `runner` training and evaluation. To be read in this order:

config.py     ~/.sim-arena/config.json: the block `pufferlib`
doctors.py    who acts: a model, or a round of the ward by hand
diagnose.py   the run: header, steps, what is wrong in the end
advice.py     what is wrong -> commands to run
exam.py       how doctors do on problems that no training draws
recordings.py files of what real clusters were like
train.py      PPO on many simulated clusters, an epoch of it
evaluator.py  what it is evaluated on, and the exam at its end
report.py     the same as a document and as lines of text
puffer.py     our environments as PufferLib's vectorisation takes them
install.py    a virtual environment with PufferLib beside our packages: made, examined, removed
puffer_run.py PufferLib's trainer in that environment, told what to do and listened to
puffer_trainer.py  the program that runs there
probe.py      what a Python has for training, asked in a process of its own
status.py     what there is on this machine
"""
