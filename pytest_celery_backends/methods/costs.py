"""What a block of a test costs the server, as a test asks for it."""

from __future__ import annotations

from contextlib import AbstractContextManager

from ..commands import Commands, Limited, recorded
from .handle import Handle

#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


class CostMethods(Handle):
    """Round trips and connections, as the store's own client makes them."""

    def commands(self) -> AbstractContextManager[Commands]:
        """Record each round trip to the server, in all threads but for what the assertions read; a pipeline is one."""
        return recorded(self._lease.spec.traffic, self._lease.target, str(self._subject))

    def assert_max_commands(self, limit: int) -> Limited:
        """Assert that a block makes no more round trips: ``with result_backend.assert_max_commands(3):``."""
        name = f"assert_max_commands({limit})"
        return Limited(name, self.commands, lambda commands: commands.assert_max_commands(limit))

    def assert_max_connections(self, limit: int) -> Limited:
        """Assert that a block opens no more connections: ``with result_backend.assert_max_connections(1):``."""
        name = f"assert_max_connections({limit})"
        return Limited(name, self.commands, lambda commands: commands.assert_max_connections(limit))
