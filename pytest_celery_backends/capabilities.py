"""What a result backend may or may not be able to do, each as one affirmative sentence."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final, Literal


class Capability(Enum):
    """One thing that a backend does; the value is the sentence that a report prints."""

    EXPIRY = "results expire by themselves or are removed by celery.backend_cleanup"
    FORGET = "forget() removes a result from the store"
    FORGET_ABSENT = "forget() of a result that is not stored does nothing"
    GROUPS = "a group of results can be saved and restored"
    CHORDS = "a chord runs its body once all header tasks are done"
    BATCH = "many results are read with one request"
    CUSTOM_STATES = "custom states and their meta are stored"
    ANY_READER = "another process that knows the task id can read the result"
    REREAD = "a result can be read more than once"
    PERSISTENCE = "results outlive the process that stored them"
    EXTENDED = "result_extended stores the task's name and arguments"
    SERIALIZERS = "every registered serializer can be used for results"
    COMPRESSION = "result_compression compresses what is stored"
    LARGE_RESULTS = "a result of 100 kB is stored whole"
    TIME_TRAVEL = "time can be made to pass for what is stored, without waiting"

    @classmethod
    def named(cls, name: str) -> Capability:
        """The capability that a user's word means.

        >>> Capability.named("custom-states").name
        'CUSTOM_STATES'
        """
        return cls[name.strip().replace("-", "_").upper()]

    @property
    def label(self) -> str:
        """The name as users write it, in lower case.

        >>> Capability.ANY_READER.label
        'any_reader'
        """
        return self.name.lower()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a backend has a capability, and where it has not, why; ``place`` is where that is written."""

    answer: Literal["yes", "no", "not yet"]
    reason: str = ""
    issue: str = ""
    place: str = field(default="", compare=False, repr=False)

    def __bool__(self) -> bool:
        return self.answer == "yes"


YES: Final = Verdict(answer="yes")


def no(reason: str) -> Verdict:
    """The backend cannot do it by design.

    >>> bool(no("cache+memory never expires anything"))
    False
    """
    return Verdict(answer="no", reason=reason, place=written(2))


def not_yet(reason: str, issue: str) -> Verdict:
    """The backend should do it and does not; *issue* says where that is followed.

    >>> not_yet("forget() raises where the file is gone", "celery#10678").issue
    'celery#10678'
    """
    return Verdict(answer="not yet", reason=reason, issue=issue, place=written(2))


def written(calls: int) -> str:
    """File and line of the code that many calls up, as in "tests/conftest.py:11"; 1 is who asks.

    >>> written(1).rpartition(":")[2].isdigit()
    True
    """
    frame = sys._getframe(calls)
    parts = Path(frame.f_code.co_filename).parts
    package = [number for number, part in enumerate(parts) if part == "pytest_celery_backends"]
    return f"{'/'.join(parts[package[-1] if package else -2 :])}:{frame.f_lineno}"
