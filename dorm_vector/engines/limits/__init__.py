"""Statement timeouts: ``OPTIONS["statement_timeout"]`` of a database, in seconds; off by default.

The server or the driver ends the statement. If the server does not answer, the client gives up one second later.
"""
