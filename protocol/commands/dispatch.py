"""`dispatch`: submit jobs and federations, watch them, end them, fetch results. A table of its commands."""

from __future__ import annotations

from runner.commands.program import Commands, Entry, program

COMMANDS: Commands = {
    "submit": Entry("protocol.commands.submit:submit", "Queue a job, or all members of a federation."),
    "list": Entry("protocol.commands.show:list_", "Show unfinished jobs and the newest finished ones."),
    "status": Entry("protocol.commands.show:status", "Show a federation's members and rounds."),
    "cancel": Entry("protocol.commands.change:cancel", "End a job, or a federation with all its jobs."),
    "retry": Entry("protocol.commands.change:retry", "Queue a failed or cancelled job again under a new id."),
    "inspect": Entry("protocol.commands.show:inspect", "Show a job's result, or how far it is."),
    "download": Entry("protocol.commands.show:download", "Fetch the files of a job or a federation."),
    "report": Entry("protocol.commands.report:report", "Show a federation as one HTML page, in a file or a bucket."),
    "purge": Entry("protocol.commands.change:purge", "Delete what a job or a federation that has ended left."),
}

app = program("Submit training jobs and federations to a bucket, watch them, end them, fetch results.", COMMANDS)
