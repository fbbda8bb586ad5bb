"""Real libSQL for djanorm's engine ``hrana``: a file or memory through ``libsql``, a server through ``libsql-client``.

A ``Transport`` is what differs between the two; ``Connection`` makes of either what Python's sqlite3 module gives
djanorm. The wrappers that djanorm holds are in ``wrappers``.
"""
