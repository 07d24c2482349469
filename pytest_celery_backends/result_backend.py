"""The handle that a test gets: what backend it runs on, what is stored there, and the assertions."""

from __future__ import annotations

from .methods.costs import CostMethods
from .methods.expiry import ExpiryMethods
from .methods.security import SecurityMethods
from .methods.serialization import SerializationMethods
from .methods.states import StateMethods


class ResultBackend(StateMethods, CostMethods, ExpiryMethods, SerializationMethods, SecurityMethods):
    """The backend of one test. Given by the ``result_backend`` fixture; not to be constructed.

    Assertions wait up to ``timeout`` seconds where there is something to wait for, and never sleep.
    """
