"""The commands of `ec2-workers`, one file each; main.py lists them.

May import all of `infra.ec2`, but inside the functions, so that `--help` stays fast. Read main.py, stack.py (setup and
teardown), launch.py with launch_view.py, status.py, logs.py, terminate.py, bake.py; view.py has what tables share.
"""
