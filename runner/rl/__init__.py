"""A doctor at a real cluster: who acts, the run, the report.

It may import `env` and `agents`. To be read in this order:

config.py     ~/.sim-arena/config.json: the block `pufferlib`
doctors.py    who acts: a model, or a round of the ward by hand
diagnose.py   the run: header, steps, what is wrong in the end
advice.py     what is wrong -> commands to run
report.py     the same as a document and as lines of text
"""
