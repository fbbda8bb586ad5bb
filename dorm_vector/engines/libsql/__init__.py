"""libSQL for djanorm's engine ``hrana``: files and memory through ``libsql``, servers through ``libsql-client``.

``Transport`` covers the differences. ``Connection`` makes either look like Python's sqlite3 to djanorm's ``wrappers``.
"""
