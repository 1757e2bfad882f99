"""The commands `dispatch`, `worker` and `sync-server`: options in, lines and tables out.

May import the other folders of `protocol`, and the console and options of `runner.commands`. To be read in this
order: `options` (what commands of a bucket share) and `completion`; `dispatch` (the table of its commands); `submit`
with `submit_options` and `submission` (checked, uploaded, queued); `show` and `change` (the other commands); `status`
(what is read for all that is shown), `score`, `tables`, `inspect`, `cancel`, `download`, `purge`, `report`; `worker`
(options), `working` and `instance`; `sync_server`; `buckets` (opening one).
"""
