"""Where the round trips of each kind of driver can be seen; nothing is replaced while nobody looks.

A module has ``watching(target, log)``, a context manager that tells *log* of each round trip and connection.
"""
