"""What Celery's keys say: the same names in redis, in files and in memory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..spec import Copied, Decode, Held, ResultKind, StoredResult

TASK: Final = "celery-task-meta-"
GROUP: Final = "celery-taskset-meta-"
CHORD: Final = "chord-unlock-"

_NAMED: Final = re.compile(f"({TASK}|{GROUP}|{CHORD})(.+)", re.DOTALL)
_CHORD_PARTS: Final = (".j", ".t", ".s", ".c", ".d")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a key is about: the id is a task's, or that of the group behind a group or chord."""

    kind: ResultKind
    id: str


def subject_of(key: str) -> Subject:
    """What a key holds, whatever prefix it has.

    The parts of a chord on redis (header results, their number, who was counted, the claim, ...) are keys of
    the group with a suffix of two characters.

    >>> subject_of("pcb1:celery-task-meta-4f1c")
    Subject(kind='task', id='4f1c')
    >>> subject_of("pcb1:celery-taskset-meta-9e2a.j")
    Subject(kind='chord', id='9e2a')
    >>> subject_of("pcb1:something")
    Subject(kind='other', id='')
    """
    named = _NAMED.search(key)
    if named is None:
        return Subject(kind="other", id="")
    prefix, name = named.groups()
    if prefix == TASK:
        return Subject(kind="task", id=name)
    if prefix == CHORD:
        return Subject(kind="chord", id=name)
    if name.endswith(_CHORD_PARTS):
        return Subject(kind="chord", id=name[:-2])
    return Subject(kind="group", id=name)


#: How the keys of what can be copied begin.
PREFIXES: Final[Mapping[Copied, str]] = {"task": TASK, "group": GROUP}


def task_keys(namespace: str, task_id: str, kind: Copied = "task") -> tuple[str, str]:
    """The keys under which a task's result, or a group, may be: Celery 5.4 puts an underscore behind every prefix.

    >>> task_keys("pcb1", "4f1c")
    ('pcb1:celery-task-meta-4f1c', 'pcb1:_celery-task-meta-4f1c')
    """
    name = f"{PREFIXES[kind]}{task_id}"
    return f"{namespace}:{name}", f"{namespace}:_{name}"


def result_at(key: str, raw: bytes, decode: Decode, expires_in: float | None) -> StoredResult:
    """The entry for what a key-value store holds under *key*."""
    subject = subject_of(key)
    return StoredResult(
        task_id=subject.id,
        kind=subject.kind,
        state=state_in(raw, decode) if subject.kind == "task" else "",
        raw=raw,
        size=len(raw),
        expires_in=expires_in,
        key=key,
    )


def state_in(raw: bytes, decode: Decode) -> str:
    """The state in an encoded result.

    >>> state_in(b"...", lambda raw: {"status": "SUCCESS"})
    'SUCCESS'
    """
    try:
        return str(decode(raw).get("status", ""))
    except Exception as error:
        # Serializers are plugins and raise what they like. One broken value must not hide all others: it is
        # listed as what it is.
        return f"unreadable: {type(error).__name__}"


def held_in(raw: bytes | None, decode: Decode) -> Held | None:
    """What a store holds for a task whose encoded result is *raw*; None where there is none.

    >>> held_in(b"...", lambda raw: {"status": "SUCCESS"})
    Held(state='SUCCESS')
    """
    return None if raw is None else Held(state=state_in(raw, decode), raw=raw)


def missing(task_id: str) -> LookupError:
    """The error for a task of which nothing is stored."""
    return LookupError(f"nothing is stored for task {task_id}")
