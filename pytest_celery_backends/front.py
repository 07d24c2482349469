"""The first map of an app's settings while a test runs: the test's settings, and what the test writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

#: What decides which server is talked to, with the values that leave the decision to the URLs. A test
#: cannot set these: an app factory that configures the app again would lead to production.
SERVERS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "broker_url": None,
        "result_backend": None,
        "broker_read_url": None,
        "broker_write_url": None,
        "broker_transport": None,
        "broker_host": None,
        "broker_port": None,
        "broker_user": None,
        "broker_password": None,
        "broker_vhost": None,
        "broker_use_ssl": False,
        "broker_login_method": None,
        "broker_failover_strategy": None,
        "broker_transport_options": MappingProxyType({}),
    }
)

#: What would keep a worker from running the tasks, or make it write outside the test. A test may set these.
NEUTRAL: Final[Mapping[str, Any]] = MappingProxyType(
    {"broker_connection_retry_on_startup": True, "task_always_eager": False, "worker_state_db": None}
)


#: Every worker that is made writes this: the modules that are imported by then.
BY_WORKERS: Final = "include"


class Spellings:
    """Every key under which some settings may be read or written, as a conf has it."""

    def __init__(self, conf: Any, names: Iterable[str]) -> None:
        self.of = {name: spellings_of(conf, name) for name in names}
        self.name_of = {key: name for name, keys in self.of.items() for key in keys}
        self.alone = {name: [name] for name in self.of}
        self._other = [key for name, keys in self.of.items() for key in keys if key != name]
        self._rules = (conf._keys, conf.prefix)

    def fit(self, conf: Any) -> bool:
        """Whether the conf has them still: it has others once its app read another configuration."""
        return self._rules == (conf._keys, conf.prefix)

    def behind(self, maps: Iterable[Any]) -> dict[str, list[str]]:
        """Of each setting its name, and its other spellings that some map has."""
        found = {key for each in maps for key in self._other if key in each}
        if not found:
            return self.alone
        return {name: [name, *(key for key in self.of[name] if key in found)] for name in self.of}


class Front(dict[str, Any]):
    """The first map of the settings: the overlay, and what the test writes.

    Up to Celery 5.6 a setting is looked up spelling by spelling, each in all maps, so that a namespaced
    ``CELERY_TASK_SERIALIZER`` of a module beats ``task_serializer`` in front of it. So a setting of the
    overlay stands here in every spelling that the maps behind have, and is written in all of them.
    """

    def __init__(self, conf: Any, overlay: Mapping[str, Any], spellings: Spellings) -> None:
        self.is_changed = False
        self._overlay = overlay
        self._name_of = spellings.name_of
        self._spellings = spellings.behind(conf.maps)
        super().__init__(overlay)
        if self._spellings is not spellings.alone:
            self._fill()

    def _fill(self) -> None:
        for name, value in self._overlay.items():
            self._write(name, value)

    def _write(self, name: str, value: Any, *also: str) -> None:
        for key in (*self._spellings[name], *also):
            super().__setitem__(key, value)

    def __setitem__(self, key: str, value: Any) -> None:
        name = self._name_of.get(key)
        self.is_changed |= key != BY_WORKERS
        if name is None:
            super().__setitem__(key, value)
        elif name not in SERVERS:
            self._write(name, value, key)

    def __delitem__(self, key: str) -> None:
        self.is_changed = True
        name = self._name_of.get(key)
        if name is None:
            super().__delitem__(key)
        else:
            self._write(name, self._overlay[name], key)

    def update(self, *args: Any, **kwargs: Any) -> None:
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: str, *default: Any) -> Any:
        if key not in self and default:
            return default[0]
        value = self[key]
        del self[key]
        return value

    def clear(self) -> None:
        self.is_changed = True
        super().clear()
        self._fill()

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


def spellings_of(conf: Any, name: str) -> list[str]:
    """Every key under which a setting may be read or written: new, old, and with the app's namespace.

    >>> from celery import Celery
    >>> spellings_of(Celery(namespace="SHOP").conf, "result_backend")
    ['result_backend', 'CELERY_RESULT_BACKEND', 'SHOP_RESULT_BACKEND', 'SHOP_result_backend']
    """
    old = [convert(name) for convert in conf._keys or ()]
    prefix = conf.prefix or ""
    cased = [prefix + name.upper(), prefix + name] if prefix else []
    return list(dict.fromkeys([name, *old, *cased]))


def name_of(conf: Any, key: str) -> str:
    """The new name of a setting, whatever the spelling.

    >>> from celery import Celery
    >>> name_of(Celery().conf, "CELERY_RESULT_BACKEND")
    'result_backend'
    """
    for convert in conf._keys or ():
        if convert(key) != key and convert(key).islower():
            return str(convert(key))
    if conf.prefix and key.upper().startswith(conf.prefix.upper()):
        return key[len(conf.prefix) :].lower()
    return key
