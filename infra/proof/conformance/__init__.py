"""`sim-arena s3 check`: does an S3 server give what the protocol needs?

Imports `protocol.wire`. Read run.py, then endpoint.py, reads.py (consistency), races.py (several creators of one key)
and uploads.py (uploads that stop half-way).
"""
