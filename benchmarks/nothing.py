"""A plugin that does nothing.

For each plugin that pytest is given by name it reads the entry points of every distribution, some milliseconds where
there are a hundred. A run that loads plugins by itself does so once for all of them, with ours or without it; so a run
without ours is given this one.
"""
