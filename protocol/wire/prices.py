"""What AWS charges for requests to S3 and for what is kept there."""

from __future__ import annotations

# List prices of S3 Standard in us-east-1, https://aws.amazon.com/s3/pricing/; transfer within a region is free.
# A refused request (404, 412) costs as much as any other.
DOLLARS = {"PUT": 0.005 / 1000, "LIST": 0.005 / 1000, "GET": 0.0004 / 1000, "HEAD": 0.0004 / 1000, "DELETE": 0.0}
DOLLARS_PER_GB_MONTH = 0.023
