"""A test's settings, laid over an app's own without writing into them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final

from celery.app.utils import Settings
from kombu import pools
from kombu.entity import Queue

from .errors import BackendsError
from .front import NEUTRAL, SERVERS, Front, Spellings, name_of
from .originals import PLAIN, Originals, is_same_dict, put_back_attributes

#: Of what an app gives to its database's engine, all that is about the way to production's server: how to connect
#: to it, who does, and over what. A test may set it again.
REACHING: Final = frozenset({"connect_args", "creator", "module", "pool"})


class Overlay:
    """The settings of one wiring, and the app's settings while they are laid over.

    The conf stays the same object, since modules hold on to it; its class is one that does not look
    into the environment, and its maps begin with a Front.
    """

    def __init__(self, conf: Any, settings: Mapping[str, Any]) -> None:
        self.conf = conf
        given = {name_of(conf, key): value for key, value in settings.items()}
        for name in ("broker_url", "result_backend"):
            if given.get(name) is None:
                # Celery would go to amqp://localhost, or keep no results
                cause = f"the settings of a wiring have no {name}"
                raise BackendsError(cause, tried=sorted(given), remedy=f'Wiring(app, {{"{name}": "..."}})')
        self.settings: dict[str, Any] = {
            **SERVERS,
            **NEUTRAL,
            **_own_queues(conf),
            **_own_engine(conf),
            **given,
        }
        self.settings["broker_transport_options"] = dict(self.settings["broker_transport_options"])
        self._has_own_limit = "broker_pool_limit" in given
        self._originals = Originals()
        self._observers: list[Any] = []
        self._maps: list[Any] = []
        self._assigned: dict[str, Any] | None = None
        self._before: tuple[type[Any], dict[str, Any]] | None = None
        self._class = _rewired_class(type(conf), self)
        self._is_replaced = False
        self._spellings: Spellings | None = None

    @property
    def is_stale(self) -> bool:
        """Whether the app's own settings were assigned to since they were last laid over."""
        return self._assigned is not None and not is_same_dict(self.conf.changes, self._assigned)

    def push(self) -> None:
        """Lay the settings over the app's."""
        conf = self.conf
        self._before = (type(conf), dict(conf.__dict__))
        self._is_replaced = False
        self._assigned = dict(conf.changes)
        if not self._has_own_limit:
            # app.pool makes its limit that of every kombu pool in the process: leave that as it is
            self.settings["broker_pool_limit"] = pools.get_limit()
        object.__setattr__(conf, "__class__", self._class)
        self.lay_over()
        conf.__dict__["_observers"] = self._observers

    def lay_over(self) -> None:
        """Put the Front before the maps that the conf has now."""
        conf = self.conf
        if self._spellings is None or not self._spellings.fit(conf):
            self._spellings = Spellings(conf, self.settings)
        front = Front(conf, self.settings, self._spellings)
        maps = [front, *conf.maps]
        for each in maps:
            if isinstance(each, dict):
                self._originals.watch_all(each.values())
        self._maps = list(maps)
        conf.__dict__.update(maps=maps, changes=front, defaults=maps[1:])

    def replaced(self) -> None:
        """The app read its configuration anew: lay over what it read."""
        self._is_replaced = True
        self.lay_over()

    @contextmanager
    def unnoticed(self) -> Iterator[None]:
        """What is written meanwhile is no change by the test: some backends write what their URL says."""
        front = self._maps[0]
        is_changed = front.is_changed
        yield
        front.is_changed = is_changed

    def watch(self, value: object) -> None:
        """Remember a container among the settings, to undo what is done to it."""
        self._originals.watch(value)

    def pop(self) -> bool:
        """Uncover the app's own settings, and say whether the test changed any."""
        assert self._before is not None
        conf_class, attributes = self._before
        changed = self.conf.maps != self._maps or self._maps[0].is_changed
        object.__setattr__(self.conf, "__class__", conf_class)
        put_back_attributes(self.conf.__dict__, attributes)
        self._before = None
        return self._originals.put_back() or changed or self._is_replaced


def _own_queues(conf: Any) -> dict[str, Any]:
    """Copies of the user's queues: Celery writes the default exchange into those that name none."""
    queues = conf.get("task_queues")
    if isinstance(queues, dict):
        return {"task_queues": {name: _twin(queue) for name, queue in queues.items()}}
    if isinstance(queues, list | tuple):
        return {"task_queues": type(queues)(map(_twin, queues))}
    return {}


def _own_engine(conf: Any) -> dict[str, Any]:
    """The user's options for a database's engine without those that another server does not take."""
    options = conf.get("database_engine_options") or {}
    if REACHING.isdisjoint(options):
        return {}
    return {"database_engine_options": {key: options[key] for key in options if key not in REACHING}}


def _twin(queue: Any) -> Any:
    if not isinstance(queue, Queue):
        return queue
    # not copy.copy: kombu's Broadcast is not made again from its own attributes
    twin = object.__new__(type(queue))
    twin.__dict__.update(queue.__dict__)
    return twin


def _first(*names: str) -> property:
    return property(lambda conf: conf.first(*names))


#: Celery's own look into the environment first.
#: https://docs.celeryq.dev/en/stable/userguide/configuration.html#std-setting-broker_url
_URLS: Final[Mapping[str, property]] = MappingProxyType(
    {
        "broker_url": _first("broker_url"),
        "result_backend": _first("result_backend"),
        "broker_read_url": _first("broker_read_url", "broker_url"),
        "broker_write_url": _first("broker_write_url", "broker_url"),
    }
)


def _rewired_class(conf_class: type[Any], overlay: Overlay) -> type[Any]:
    """The conf's class, without a look into the environment, noting what is read and when it is replaced."""

    def read(conf: Any, key: str) -> Any:
        value = conf_class.__getitem__(conf, key)
        if type(value) not in PLAIN:
            overlay.watch(value)
        return value

    def swap_with(conf: Any, other: Settings) -> None:
        conf_class.swap_with(conf, other)
        if conf is overlay.conf:
            overlay.replaced()

    names = {"__module__": conf_class.__module__, "__qualname__": conf_class.__qualname__}
    members = {**names, **_URLS, "__getitem__": read, "swap_with": swap_with}
    return type(conf_class.__name__, (conf_class,), members)
