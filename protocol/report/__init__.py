"""A federation as one page: read from the bucket within bounds, drawn, and published where people find it.

May import `runner.report`, which says what a page is and renders it, and the rest of the protocol but its commands. To
be read in this order: `record.py` (what is known of a federation), `reader.py` (reads it: how many requests that
takes), `curves.py` (learning curves), `costs.py` (requests and dollars), `again.py` (the command that queues it again),
`evaluation.py` (what its model does, by type of problem), `texts.py`, `charts.py`, `tables.py` (parts of the page),
`page.py` (all of it), `publisher.py` (the page in the bucket, refreshed by sync-servers), `events.py` (event files for
TensorBoard).
"""
