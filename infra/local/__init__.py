"""Everything on one machine: an S3 server in memory, and a federation of real processes.

Imports the protocol and the runner, never proof or bench. In the order to read it:

    s3.py            moto's S3 behind a lock, one request at a time
    processes.py     the commands as child processes that never outlive their parent
    demo.py          a federation from submit to weights, as processes
    demo_command.py  `sim-arena demo`
    conclusion.py    what a demo ends with: evaluation, report, requests counted
    s3_commands.py   `sim-arena s3`
"""
