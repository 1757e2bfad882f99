"""`sim-arena s3 check`: does an endpoint give what the protocol needs?"""
