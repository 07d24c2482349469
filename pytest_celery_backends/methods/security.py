"""Whether untrusted content is loaded, as a test asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import assertions
from ..timeline import DEFAULT_TIMEOUT
from .handle import Handle

if TYPE_CHECKING:
    from ..assertions.security import Of

#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


class SecurityMethods(Handle):
    """Somebody who may write to the store or the broker is assumed."""

    def assert_refuses_content(
        self, content: str, *, of: Of = "results", timeout: float = DEFAULT_TIMEOUT
    ) -> None:
        """Assert that the app loads no content of a type, and that no code in it runs.

        A payload is written as an attacker would, by another app on the same store: code, where the serializer
        carries it. Then the app reads it. What it should take is planted the same way, so that it is known that the
        payload would have been found.

        Arguments:
            content: a serializer's name or content type: "pickle", "yaml", "application/x-python-serialize".
            of: "results" in the store, for which ``result_accept_content`` decides, or else ``accept_content``
                (https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-accept-content); "tasks" in
                the queues, for which ``accept_content`` does.
        """
        assertions.security.assert_refuses_content(self._lease, self._subject, content, of, timeout)
