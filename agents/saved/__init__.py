"""An agent's state as bytes and files.

To read in this order: `checkpoint` (safetensors, the format in the bucket), `fields` (checked reading of plain values
in a state), `files` (files written in one piece and read within a bound), `pt_file` (.pt files, which users keep; the
only module that imports torch), `formats` (a user's file in any of them), `evaluation` (the table of how an agent
does, in its file), `about` (what a file says about itself).

Imports nothing of the rest of `agents`, and of `env` its errors.
"""
