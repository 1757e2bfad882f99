"""The commands `dispatch`, `worker` and `sync-server`: options in, lines and tables out.

May import the other folders of `protocol`, and the console and options of `runner.commands`. To be read in this order:
`dispatch` (its sub-commands), `submit`, `status` (what is read for all that is shown), `tables`, `inspect`, `cancel`,
`download`, `purge`; `worker` and `instance`; `sync_server`; `console` (what they share).
"""
