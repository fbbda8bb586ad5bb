"""Statement timeouts: ``OPTIONS["statement_timeout"]`` of a database, in seconds; off by default.

The server or the driver ends the statement. For a server that does not answer, the client gives up a second later.
"""
