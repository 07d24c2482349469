"""One module for each backend, and nothing else: the registry takes every module in here for one."""
