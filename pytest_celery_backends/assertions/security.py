"""Whether an app loads what somebody else has put into its store or its queues."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import uuid4

from celery import Celery, states
from celery.app.task import Context
from kombu.exceptions import EncodeError
from kombu.serialization import registry

from .. import activity
from ..canary import SUNG, Canary
from ..capabilities import Capability
from ..errors import WaitTimeout
from ..lease import Lease
from ..releases import backend_steps, run_within
from ..serializers import check
from .subject import Subject, failed

#: What is attacked: results in the store, or tasks in the queues.
Of = Literal["results", "tasks"]
#: How long closing the attacker's connections may take.
CLOSE_SECONDS: Final = 5.0
_TASK: Final = "pytest_celery_backends.canary"
#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


@dataclass(frozen=True, kw_only=True)
class Attack:
    """A payload that was planted; ``seen`` is what who read it got, ``refusal`` the error where nothing was got."""

    token: str
    seen: str = ""
    refusal: str = ""

    @property
    def has_run(self) -> bool:
        """Whether code in the payload ran."""
        return self.token in SUNG


def assert_refuses_content(lease: Lease, subject: Subject, content: str, of: Of, timeout: float) -> None:
    """Assert that a payload of a type is not loaded, and that nothing in it ran."""
    serializer = str(registry.type_to_name.get(content, content))
    check(serializer)
    if of not in ATTACKS:
        raise ValueError(
            f'assert_refuses_content(of={of!r}): takes of="results" or of="tasks"; type: of="results"'
        )
    where, attack, names = ATTACKS[of]
    with _attacker(lease, serializer) as attacker:
        made = attack(lease, attacker, serializer, timeout)
        if made.has_run or made.seen:
            observed = "code in it ran" if made.has_run else made.seen
            settings = [(name, repr(lease.app.conf.get(name))) for name in names]
            raise failed(f"{subject} loads {content} from its {where}", [("observed", observed), *settings])
        # else the payload may never have come to where it would have been read
        own = lease.app.conf.get(names[0])
        control = attack(lease, attacker, own, timeout)
        if not control.seen:
            raise failed(
                f"it cannot be told whether {subject} loads {content} from its {where}",
                [("planted", f"{own}, which it should take"), ("observed", control.refusal)],
            )


@contextmanager
def _attacker(lease: Lease, serializer: str) -> Iterator[Celery]:
    """Another app on the same store and broker, as somebody has who may write there."""
    app = Celery("attacker", set_as_current=False)
    accepted = [serializer, lease.app.conf.result_serializer]
    own = {"result_serializer": serializer, "result_accept_content": accepted, "accept_content": accepted}
    app.conf.update({**lease.settings, **own})
    lease.spec.adapt(app.backend, "client")
    try:
        yield app
    finally:
        run_within(CLOSE_SECONDS, list(backend_steps(app.backend)), remedy="pytest -x")
        app.close()


def _payloads(token: str) -> tuple[Any, ...]:
    """Code where the serializer carries that, else a value."""
    return Canary(token), {"planted": token}


def _unplanted(serializer: str) -> AssertionError:
    """What never arrived was not refused."""
    return failed(
        f"it cannot be told whether {serializer} is refused",
        [("planted", "nothing: the serializer carries neither code nor {'planted': '...'}")],
    )


def _attack_store(lease: Lease, attacker: Celery, serializer: str, timeout: float) -> Attack:
    task_id, token, app = str(uuid4()), uuid4().hex, lease.app
    if not lease.spec.verdict(Capability.REREAD):
        with app.producer_pool.acquire(block=True) as producer:
            # makes the reply queue; elsewhere it may subscribe, and who waits next would be sent the payload
            app.backend.on_task_call(producer, task_id)
    request = Context(id=task_id, task=_TASK, reply_to=app.thread_oid, correlation_id=task_id)
    _change_serializer(attacker.backend, serializer)
    for payload in _payloads(token):
        # what no serializer of this name can carry is tried as a value
        with suppress(EncodeError, TypeError):
            attacker.backend.store_result(task_id, payload, states.SUCCESS, request=request)
            break
    else:
        raise _unplanted(serializer)
    try:
        return Attack(token=token, seen=f"SUCCESS: {_read(lease, task_id, timeout)!r}")
    except Exception as error:  # a reader that refuses raises what its serializer likes
        return Attack(token=token, refusal=f"{type(error).__name__}: {error}")
    finally:
        lease.probe.remove(task_id)


def _change_serializer(backend: Any, serializer: str) -> None:
    backend.serializer = serializer
    backend.content_type, backend.content_encoding, backend.encoder = registry._encoders[serializer]


def _read(lease: Lease, task_id: str, timeout: float) -> Any:
    if not lease.spec.verdict(Capability.REREAD):
        return lease.app.AsyncResult(task_id).get(timeout=timeout)
    meta = lease.app.backend.get_task_meta(task_id, cache=False)
    if meta["status"] == states.PENDING:
        raise LookupError("nothing was found in the store")
    return meta["result"]


def _canary(value: Any) -> None:
    """The task that a payload calls."""
    SUNG.add(f"task {value}")


def _attack_worker(lease: Lease, attacker: Celery, serializer: str, timeout: float) -> Attack:
    token, worker = uuid4().hex, lease.start_worker()

    if _TASK not in lease.app.tasks:
        lease.app.task(_canary, name=_TASK, shared=False, ignore_result=True)
    for payload in _payloads(token):
        with suppress(EncodeError, TypeError):
            attacker.send_task(_TASK, args=[payload], serializer=serializer, ignore_result=True)
            break
    else:
        raise _unplanted(serializer)
    if not worker.wait_until(lambda: worker.is_idle, timeout):
        raise WaitTimeout(
            f"the worker was not idle within {timeout:g} s after it was sent {serializer}",
            tried=activity.described(worker),
            log=activity.stacks(worker),
            remedy=f'assert_refuses_content("{serializer}", of="tasks", timeout={2 * timeout:g})',
        )
    ran = {f"task {token}", f"task {{'planted': '{token}'}}"} & SUNG
    return Attack(
        token=token, seen="the task ran" if ran else "", refusal="" if ran else "the task did not run"
    )


#: Where a payload is put, how, and the settings that decide; the first is what the app writes itself.
ATTACKS: Final[Mapping[str, tuple[str, Callable[[Lease, Celery, str, float], Attack], tuple[str, ...]]]] = {
    "results": ("store", _attack_store, ("result_serializer", "result_accept_content", "accept_content")),
    "tasks": ("queues", _attack_worker, ("task_serializer", "accept_content")),
}
