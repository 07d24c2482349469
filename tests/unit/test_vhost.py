"""The in-process broker's virtual hosts: queues, messages, waiting."""

from __future__ import annotations

import subprocess
import sys
import threading
from queue import Empty

import pytest

from pytest_celery_backends.vhost import VirtualHost, drop_virtual_host, virtual_host


class Clock:
    """A clock that stands still until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def host(clock: Clock) -> VirtualHost:
    made = VirtualHost("test", clock=clock)
    made.declare("q")
    return made


def _drain(host: VirtualHost, name: str = "q") -> list[object]:
    return [host.get(name).message for _ in range(host.size(name))]


def test_messages_come_in_order(host: VirtualHost) -> None:
    for number in range(3):
        host.put("q", number)
    assert _drain(host) == [0, 1, 2]


def test_an_empty_queue_says_so(host: VirtualHost) -> None:
    with pytest.raises(Empty):
        host.get("q")


def test_a_missing_queue_is_empty_and_takes_nothing(host: VirtualHost) -> None:
    assert not host.put("missing", 1)
    with pytest.raises(Empty):
        host.get("missing")
    assert not host.has_queue("missing")


def test_urgent_messages_come_first_and_in_order() -> None:
    host = VirtualHost("test")
    host.declare("q", arguments={"x-max-priority": 5})
    for message, priority in [("a", 1), ("b", 9), ("c", 5), ("d", 0), ("e", 1)]:
        host.put("q", message, priority=priority)
    assert _drain(host) == ["b", "c", "a", "e", "d"]


def test_a_requeued_message_is_first_among_its_equals() -> None:
    host = VirtualHost("test")
    host.declare("q", arguments={"x-max-priority": 5})
    host.put("q", "held", priority=1)
    host.get("q", tag=1)
    for message, priority in [("same", 1), ("urgent", 3)]:
        host.put("q", message, priority=priority)
    host.requeue(1)
    assert _drain(host) == ["urgent", "held", "same"]


def test_requeueing_from_the_last_to_the_first_keeps_the_order(host: VirtualHost) -> None:
    for number in range(4):
        host.put("q", number)
    tags = [number for number in range(3) if host.get("q", tag=number)]
    for tag in reversed(tags):
        host.requeue(tag)
    assert _drain(host) == [0, 1, 2, 3]


def test_only_what_was_taken_before_is_marked_as_redelivered(host: VirtualHost) -> None:
    host.put("q", "again")
    host.put("q", "new")
    host.get("q", tag="t")
    host.requeue("t")
    assert [host.get("q").redelivered for _ in range(2)] == [True, False]


def test_an_acknowledged_message_is_gone(host: VirtualHost) -> None:
    host.put("q", 1)
    host.get("q", tag="t")
    assert (host.ack("t"), host.ack("t"), host.requeue("t")) == (True, False, False)
    assert host.messages() == ()


def test_a_message_that_is_worked_on_is_still_there(host: VirtualHost) -> None:
    host.put("q", 1)
    host.put("q", 2)
    host.get("q", tag="t")
    assert [held.message for held in host.messages()] == [1, 2]


def test_purging_leaves_what_is_worked_on(host: VirtualHost) -> None:
    host.put("q", 1)
    host.put("q", 2)
    host.get("q", tag="t")
    assert host.purge("q") == 1
    assert [held.message for held in host.messages()] == [1]


def test_a_deleted_queue_takes_its_messages(host: VirtualHost) -> None:
    host.put("q", 1)
    host.get("q", tag="t")
    assert host.delete("q") == 1
    assert (host.requeue("t"), host.has_queue("q")) == (False, False)


def test_an_idle_queue_expires(host: VirtualHost, clock: Clock) -> None:
    host.declare("replies", arguments={"x-expires": 3000})
    clock.now += 2.9
    assert host.idle_left("replies") == pytest.approx(0.1)
    clock.now += 0.2
    assert not host.has_queue("replies")


def test_a_queue_that_is_used_does_not_expire(host: VirtualHost, clock: Clock) -> None:
    host.declare("replies", arguments={"x-expires": 3000})
    clock.now += 2
    with pytest.raises(Empty):
        host.get("replies")
    clock.now += 2
    host.declare("replies")
    clock.now += 2
    assert host.has_queue("replies")


def test_putting_is_no_use_that_keeps_a_queue(host: VirtualHost, clock: Clock) -> None:
    host.declare("replies", arguments={"x-expires": 3000})
    clock.now += 2
    host.put("replies", 1)
    clock.now += 2
    assert not host.put("replies", 2)


def test_a_queue_with_a_consumer_does_not_expire(host: VirtualHost, clock: Clock) -> None:
    host.declare("replies", arguments={"x-expires": 3000})
    host.add_consumer("replies")
    clock.now += 10
    assert host.has_queue("replies")
    host.remove_consumer("replies")
    clock.now += 4
    assert not host.has_queue("replies")


def test_an_auto_delete_queue_goes_with_its_last_consumer(host: VirtualHost) -> None:
    host.declare("replies", auto_delete=True)
    for _ in range(2):
        host.add_consumer("replies")
    host.remove_consumer("replies")
    assert host.has_queue("replies")
    host.remove_consumer("replies")
    assert not host.has_queue("replies")


def test_a_waiter_is_woken_by_a_message(host: VirtualHost) -> None:
    seen = host.changes
    threading.Timer(0.01, host.put, ["q", 1]).start()
    assert host.wait(seen, 5)
    assert _drain(host) == [1]


def test_a_message_between_looking_and_waiting_is_not_missed(host: VirtualHost) -> None:
    seen = host.changes
    host.put("q", 1)
    assert host.wait(seen, 0)


def test_waiting_ends_at_its_limit(host: VirtualHost) -> None:
    assert not host.wait(host.changes, 0.01)


def test_dropping_a_virtual_host_wakes_who_waits(host: VirtualHost) -> None:
    shared = virtual_host("test-drop")
    shared.declare("q")
    seen = shared.changes
    threading.Timer(0.01, drop_virtual_host, ["test-drop"]).start()
    assert shared.wait(seen, 5)
    assert not shared.has_queue("q")
    assert virtual_host("test-drop") is not shared
    drop_virtual_host("test-drop")


def test_virtual_hosts_do_not_see_each_other() -> None:
    virtual_host("test-a").declare("q")
    assert not virtual_host("test-b").has_queue("q")
    drop_virtual_host("test-a")
    drop_virtual_host("test-b")


def test_no_message_is_lost_or_doubled_between_threads(host: VirtualHost) -> None:
    taken: list[int] = []

    def produce(start: int) -> None:
        for number in range(start, start + 500):
            host.put("q", number)

    def consume() -> None:
        while len(taken) < 1000:
            seen = host.changes
            try:
                delivery = host.get("q", tag=threading.get_ident())
            except Empty:
                host.wait(seen, 1)
                continue
            host.ack(threading.get_ident())
            taken.append(delivery.message)
            host.wake()

    threads = [threading.Thread(target=produce, args=[start]) for start in (0, 500)]
    threads += [threading.Thread(target=consume) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(taken) == list(range(1000))
    assert host.messages() == ()


FORKS = """
import os
from pytest_celery_backends.vhost import VirtualHost
host = VirtualHost("test")
host.declare("celery")
child = os.fork()
if not child:
    try:
        host.put("celery", "lost")
    except Exception as error:
        print(type(error).__name__, error, sep="\\n", flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(host.put("celery", "kept"))
"""


def test_a_forked_child_is_told_that_nobody_would_receive_its_message() -> None:
    # in a process of its own: a fork beside the threads of other tests is deprecated
    ran = subprocess.run(
        [sys.executable, "-c", FORKS], capture_output=True, text=True, timeout=30, check=True
    )
    assert ran.stdout.splitlines() == [
        "NotShared",
        "a message for queue 'celery' was sent by a process that was forked off the tests' own",
        "  the in-process broker is not shared with other processes: nobody would receive it",
        "  type: task.delay()  # in the test's own process, or in a thread of it",
        "True",
    ]
