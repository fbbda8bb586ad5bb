"""The web page of ``dorm-vector explore``: a JSON API that only reads, and the files that a browser shows it with."""
