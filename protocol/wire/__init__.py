"""What is written to the bucket, and the requests that write it. Nothing here knows a job's life or a round's end.

May import `env.errors` and pydantic; boto3 only in what `store` rests on. To be read in this order: `ids` and `keys`
(where things lie), `schedule` (which episodes make up a round), `choices` (what a submitter names), `documents`,
`job_documents`, `federation_documents` (what they say, in which versions), `errors`, `store` and `memory` (one
request each: S3, and an S3 in virtual time), below `store` `s3_client` (boto3's settings), `credentials` (whose fault
it is if there are none), `bounded` (answers that end), `faults`, `answers` and `sdk_errors` (what an error means),
`clock`, `bucket` (create-only with its three answers), `probe` (whether an endpoint is fit).
"""
