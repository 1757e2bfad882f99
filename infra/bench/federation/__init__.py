"""`sim-arena bench federation`: what more members are worth, and how strategies cope with bad ones.

Imports the runner and `protocol.strategies`; needs no S3. Read members.py, then commands.py.
"""
