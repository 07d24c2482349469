"""The channel of a real AMQP broker on which everything that Celery names is in a namespace of ours."""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid4

from kombu.transport import pyamqp

from .amqp_names import IDLE_LIMIT, AmqpNames

#: Headers with further routing keys, which RabbitMQ sends copies to:
#: https://www.rabbitmq.com/docs/sender-selected
_MORE_KEYS: Final = ("CC", "BCC")
#: Exchanges that every broker has: here they are made at first use, like any other.
_BUILT_IN: Final = "amq."
#: The exchange of commands to workers, and that of their answers, which has this before its name (kombu/pidbox.py).
_COMMANDS: Final = ".pidbox"
_ANSWERS: Final = "reply."


class NamespacedChannel(pyamqp.Channel):  # type: ignore[misc]
    """Translates names on their way to the broker and back, and notes what is delivered."""

    def __init__(self, connection: Any, *args: Any, **kwargs: Any) -> None:
        self.names: AmqpNames = connection.names
        self._queue_of: dict[str, str] = {}
        super().__init__(connection, *args, **kwargs)

    # -- exchanges

    def _exchange(self, name: str) -> str:
        if not name:
            return ""
        there = self.names.there(name)
        if name.startswith(_BUILT_IN) and name not in self.names.exchanges:
            self.exchange_declare(name, name.removeprefix(_BUILT_IN))
        return there

    def exchange_declare(self, exchange: str, *args: Any, **kwargs: Any) -> Any:
        kwargs["auto_delete"] = True
        arguments = kwargs.get("arguments") or {}
        if arguments.get("alternate-exchange"):
            other = self._exchange(arguments["alternate-exchange"])
            kwargs["arguments"] = {**arguments, "alternate-exchange": other}
        there = self.names.there(exchange)
        if exchange not in self.names.exchanges:
            self._note(f"exchange {there}")
            self.names.exchanges.add(exchange)
        return super().exchange_declare(there, *args, **kwargs)

    def exchange_delete(self, exchange: str, *args: Any, **kwargs: Any) -> Any:
        return super().exchange_delete(self._exchange(exchange), *args, **kwargs)

    def exchange_bind(self, destination: str, source: str = "", *args: Any, **kwargs: Any) -> Any:
        return super().exchange_bind(self._exchange(destination), self._exchange(source), *args, **kwargs)

    def exchange_unbind(self, destination: str, source: str = "", *args: Any, **kwargs: Any) -> Any:
        return super().exchange_unbind(self._exchange(destination), self._exchange(source), *args, **kwargs)

    # -- queues

    def queue_declare(
        self,
        queue: str = "",
        passive: bool = False,
        durable: bool = False,
        exclusive: bool = False,
        auto_delete: bool = True,
        nowait: bool = False,
        arguments: Any = None,
        **kwargs: Any,
    ) -> Any:
        queue = queue or f"gen-{uuid4().hex}"
        there, given = self.names.there(queue), self.names.arguments(arguments)
        if not passive:
            if queue not in self.names.queues:
                self._note(f"queue {there}")
            limits = [each.get("x-expires") for each in (given, arguments or {})]
            expires, asked = (None if limit is None else limit / 1000 for limit in limits)
            self.names.declared(
                queue,
                exclusive=exclusive,
                auto_delete=auto_delete,
                expires=expires or IDLE_LIMIT / 1000,
                asked=asked,
            )
        # A reply queue serves the next test as well: to remove and make a durable one takes the broker 5 ms.
        goes = auto_delete and not (durable and not exclusive)
        answer = super().queue_declare(
            there, passive, durable, exclusive, goes, nowait, arguments=given, **kwargs
        )
        return answer and answer._replace(queue=queue)

    def queue_bind(self, queue: str, exchange: str = "", *args: Any, **kwargs: Any) -> Any:
        self.names.bound(queue)
        return super().queue_bind(self.names.there(queue), self._exchange(exchange), *args, **kwargs)

    def queue_unbind(self, queue: str, exchange: str, *args: Any, **kwargs: Any) -> Any:
        return super().queue_unbind(self.names.there(queue), self._exchange(exchange), *args, **kwargs)

    def queue_delete(self, queue: str = "", *args: Any, **kwargs: Any) -> Any:
        return super().queue_delete(self.names.there(queue), *args, **kwargs)

    def queue_purge(self, queue: str = "", *args: Any, **kwargs: Any) -> Any:
        return super().queue_purge(self.names.there(queue), *args, **kwargs)

    def _note(self, entry: str) -> None:
        """Tell a later run what this one made: a broker cannot be asked for the queues of a killed run."""
        super().queue_declare(
            self.names.index, durable=True, auto_delete=False, arguments={"x-expires": IDLE_LIMIT}
        )
        message = self.prepare_message(entry.encode(), properties={"delivery_mode": 2})
        super().basic_publish_confirm(message, "", self.names.index)

    # -- messages

    def _basic_publish(self, msg: Any, exchange: str = "", routing_key: str = "", **kwargs: Any) -> Any:
        headers = msg.properties.get("application_headers") or {}
        if exchange.endswith(_COMMANDS) and not exchange.startswith(_ANSWERS):
            self.names.commands += 1
        if exchange or routing_key == self.names.index:
            exchange = self._exchange(exchange)
        else:
            routing_key = self.names.there(routing_key)
            more = {name: [*map(self.names.there, headers[name])] for name in _MORE_KEYS if name in headers}
            if more:
                msg.properties["application_headers"] = {**headers, **more}
        published = super()._basic_publish(msg, exchange, routing_key, **kwargs)
        if "task" not in headers and "ticket" not in headers and msg.properties.get("correlation_id"):
            self.names.replies.append((msg.properties["correlation_id"], _bytes(msg.body)))
        return published

    basic_publish = _basic_publish

    def basic_consume(self, queue: str = "", *args: Any, **kwargs: Any) -> Any:
        tag = super().basic_consume(self.names.there(queue), *args, **kwargs)
        self._queue_of[str(getattr(tag, "consumer_tag", tag))] = queue
        return tag

    def basic_get(self, queue: str = "", no_ack: bool = False, **kwargs: Any) -> Any:
        message = super().basic_get(self.names.there(queue), no_ack, **kwargs)
        if message is not None and not no_ack:
            self.names.hold((id(self), message.delivery_tag), queue)
        return message

    def message_to_python(self, raw_message: Any) -> Any:
        info = dict(raw_message.delivery_info)
        tag = info.get("consumer_tag")
        if tag in self._queue_of and tag not in self.no_ack_consumers:
            self.names.hold((id(self), raw_message.delivery_tag), self._queue_of[tag])
        if not info.get("exchange"):
            info["routing_key"] = self.names.here(info["routing_key"])
        info["exchange"] = self.names.here(info.get("exchange") or "")
        raw_message.delivery_info = info
        return super().message_to_python(raw_message)

    def basic_ack(self, delivery_tag: int, multiple: bool = False, **kwargs: Any) -> Any:
        done = super().basic_ack(delivery_tag, multiple, **kwargs)
        self._release(delivery_tag, multiple)
        return done

    def basic_reject(self, delivery_tag: int, requeue: bool, **kwargs: Any) -> Any:
        done = super().basic_reject(delivery_tag, requeue, **kwargs)
        self._release(delivery_tag, False)
        return done

    def basic_recover(self, requeue: bool = False) -> Any:
        done = super().basic_recover(requeue)
        self.names.release(lambda key: key[0] == id(self))
        return done

    def collect(self) -> None:
        super().collect()
        self.names.release(lambda key: key[0] == id(self))

    def _release(self, tag: int, multiple: bool) -> None:
        self.names.release(lambda key: key[0] == id(self) and (key[1] <= tag if multiple else key[1] == tag))


def _bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else str(body).encode()
