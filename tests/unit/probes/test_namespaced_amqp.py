"""Everything that is named over our transport is in the namespace; foreign things of the same names are not met."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
from kombu import Connection, Exchange, Queue

from pytest_celery_backends import namespaced_amqp
from pytest_celery_backends.amqp_names import forget_names, names_of, namespaced_url
from pytest_celery_backends.probes.amqp import AmqpProbe, connected
from pytest_celery_backends.spec import Namespace, ProbeContext


@pytest.fixture
def url(get_service: Any) -> Iterator[str]:
    """A namespace of a private RabbitMQ."""
    service, namespace = get_service("rpc"), Namespace(name=f"pcb_{uuid4().hex[:12]}")
    namespaced_amqp.install()
    yield namespaced_url(service.url, namespace.name)
    AmqpProbe(ProbeContext(service=service, namespace=namespace, decode=lambda raw: {}, lifetime=None)).drop()


@pytest.fixture
def connection(url: str) -> Iterator[Any]:
    with Connection(url) as connection:
        yield connection


@pytest.fixture
def foreign(get_service: Any) -> Iterator[Any]:
    """A production's queue and exchange on the same virtual host, with a message that waits."""
    import amqp

    with closing(connected(get_service("rpc").url, 5)) as client:
        channel = client.channel()
        channel.exchange_declare("celery", "direct", durable=True, auto_delete=False)
        channel.queue_declare("celery", durable=True, auto_delete=False)
        channel.queue_bind("celery", "celery", "celery")
        channel.confirm_select()
        channel.basic_publish_confirm(amqp.Message("production's"), "celery", "celery")
        yield channel
        channel.queue_delete("celery")
        channel.exchange_delete("celery")


def _seen(foreign: Any) -> tuple[int, int]:
    """Messages and consumers of production's queue."""
    answer = foreign.queue_declare("celery", passive=True)
    return answer.message_count, answer.consumer_count


CELERY = Queue("celery", Exchange("celery"), routing_key="celery")


def test_a_foreign_queue_of_the_same_name_is_not_met(connection: Any, foreign: Any) -> None:
    queue = CELERY(connection.default_channel)
    queue.declare()
    assert queue.get() is None
    with connection.Producer() as producer:
        producer.publish({"n": 1}, exchange="celery", routing_key="celery")
        producer.publish({"n": 2}, routing_key="celery", headers={"CC": ["celery"], "BCC": ["celery"]})
    assert [message.payload["n"] for message in iter(lambda: queue.get(no_ack=True), None)] == [1, 2]
    assert _seen(foreign) == (1, 0)
    queue.purge()
    queue.unbind_from(queue.exchange, "celery")
    queue.delete()
    queue.exchange(connection.default_channel).delete()
    assert _seen(foreign) == (1, 0)
    message = foreign.basic_get("celery")
    assert (message.body, message.delivery_info["redelivered"]) == ("production's", False)
    foreign.basic_reject(message.delivery_tag, requeue=True)


def test_a_message_says_what_it_says_in_production(connection: Any) -> None:
    queue = CELERY(connection.default_channel)
    queue.declare()
    with connection.Producer() as producer:
        producer.publish({}, exchange="celery", routing_key="celery")
        producer.publish({}, routing_key="celery")
    found = [queue.get(no_ack=True).delivery_info for _ in range(2)]
    assert [(info["exchange"], info["routing_key"]) for info in found] == [
        ("celery", "celery"),
        ("", "celery"),
    ]


def test_a_broadcast_reaches_every_queue_of_the_namespace(connection: Any) -> None:
    everyone = Exchange("everyone", "fanout")
    queues = [Queue(name, everyone)(connection.default_channel) for name in ("one", "two", "")]
    for queue in queues:
        queue.declare()
    with connection.Producer() as producer:
        producer.publish({"n": 1}, exchange="everyone")
    assert [queue.get(no_ack=True).payload for queue in queues] == [{"n": 1}] * 3


def test_a_built_in_exchange_is_the_namespaces_own(connection: Any) -> None:
    queue = Queue("built-in", Exchange("amq.topic", "topic"), routing_key="a.*")(connection.default_channel)
    queue.declare()
    with connection.Producer() as producer:
        producer.publish({"n": 1}, exchange="amq.topic", routing_key="a.b")
    assert queue.get(no_ack=True).payload == {"n": 1}


def test_urgent_messages_come_first(connection: Any) -> None:
    queue = Queue("urgent", max_priority=10)(connection.default_channel)
    queue.declare()
    with connection.Producer() as producer:
        for priority in (1, 9, 5):
            producer.publish({}, routing_key="urgent", priority=priority)
    assert [queue.get(no_ack=True).properties["priority"] for _ in range(3)] == [9, 5, 1]


@pytest.mark.parametrize("exchange", ["", "dead"])
def test_dead_letters_stay_in_the_namespace(connection: Any, exchange: str) -> None:
    channel = connection.default_channel
    dead = Queue("letters", Exchange("dead") if exchange else None, routing_key="letters")(channel)
    dead.declare()
    given = {"x-dead-letter-exchange": exchange, "x-dead-letter-routing-key": "letters"}
    queue = Queue("living", queue_arguments=given)(channel)
    queue.declare()
    with connection.Producer() as producer:
        producer.publish({"n": 1}, routing_key="living")
    queue.get().reject()
    deadline = time.monotonic() + 5
    while (letter := dead.get(no_ack=True)) is None:  # the broker moves it in its own time
        assert time.monotonic() < deadline, "no dead letter came within 5 s"
    assert letter.payload == {"n": 1}


def test_what_is_in_hand_is_known_until_it_is_acknowledged(url: str, connection: Any) -> None:
    names = names_of(url.rpartition("/")[2])
    queue = CELERY(connection.default_channel)
    queue.declare()
    with connection.Producer() as producer:
        producer.publish({}, routing_key="celery")
    message = queue.get()
    assert names.held({"celery"}) == ["celery"]
    assert names.held({"another"}) == []
    message.ack()
    assert names.held({"celery"}) == []


def test_a_drain_ends_when_it_is_told(connection: Any) -> None:
    connection.ensure_connection()
    ends: list[float] = []

    def drain() -> None:
        try:
            connection.drain_events(timeout=30)
        except TimeoutError:
            ends.append(time.monotonic())

    thread = threading.Thread(target=drain)
    thread.start()
    started = time.monotonic()
    connection.transport.interrupt()
    thread.join(5)
    assert ends, "the drain did not end within 5 s"
    assert ends[0] - started < 1


def test_a_drain_without_message_ends_in_time(connection: Any) -> None:
    connection.ensure_connection()
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=0.05)
    assert 0.04 < time.monotonic() - started < 2


def test_without_a_namespace_nothing_is_connected() -> None:
    namespaced_amqp.install()
    with pytest.raises(ValueError, match="no namespace stands behind"):
        Connection("namespaced-amqp://localhost").connect()


def test_names_are_forgotten_with_their_namespace() -> None:
    first, second = names_of("pcb_x_1"), names_of("pcb_x_2")
    assert first.index == second.index == "pcb_x_index"
    assert forget_names("pcb_x_1") is False
    assert forget_names("pcb_x_2") is True
    assert forget_names("pcb_x_2") is False
