"""An app's tasks: what they copied from the settings, what a test does to them, what it registers."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

from celery import _state
from celery.app.task import Task

from .originals import is_same_dict, put_back_attributes, reset_dict

#: What the built-in task that polls for chords took from the settings when the app was finalized.
CHORD_UNLOCK: Final = ("celery.chord_unlock", "default_retry_delay", "result_chord_retry_interval")

#: Where these are None, tasks take the value that they have for the older setting, else True (Celery 5.7).
ACKNOWLEDGE: Final = frozenset({"task_acks_on_failure", "task_acks_on_timeout"})
OLDER: Final = ("acks_on_failure_or_timeout", "task_acks_on_failure_or_timeout")

Values = Mapping[str, Any]


class Tasks:
    """The tasks of an app as they were, and their state under one wiring.

    ``traces`` are the tracers that a worker made for the tasks: each holds on to the backend and the
    settings it was made with.
    """

    def __init__(self, app: Any, traces: Mapping[Any, Any]) -> None:
        self._tasks = list(app._tasks.values())
        self._instances = [(task, dict(task.__dict__)) for task in self._tasks]
        self._classes = [(each, dict(each.__dict__)) for each in _own_classes(self._tasks)]
        for task in self._tasks:
            task.__dict__.pop("_exec_options", None)
            task.__dict__.pop("__trace__", None)
            if task in traces:
                task.__dict__["__trace__"] = traces[task]
            _use_the_apps_backend(task)

    def follow(self, before: Values, now: Values) -> None:
        """Bring what was copied from the settings *before* to their values *now*."""
        if now:
            for each, attributes in self._classes:
                follow(each, attributes, before, now)

    def traces(self) -> dict[Any, Any]:
        """The tracers that exist now."""
        return {
            task: task.__dict__["__trace__"]
            for task in self._tasks
            if task.__dict__.get("__trace__") is not None
        }

    def put_back(self) -> None:
        """Give every task and its classes the attributes they had."""
        for task, attributes in self._instances:
            put_back_attributes(task.__dict__, attributes)
        for each, attributes in self._classes:
            _put_back_class(each, attributes)


def copied_settings(app: Any, names: Iterable[str]) -> dict[str, Any]:
    """Those of the named settings that tasks copy, as they are in force."""
    copied = {setting for _, setting in app.Task.from_config} | {CHORD_UNLOCK[2]}
    wanted = copied.intersection(names)
    if OLDER[1] in wanted:
        wanted |= copied & ACKNOWLEDGE
    return {name: app.conf[name] for name in wanted}


def follow(task_class: type[Any], attributes: Mapping[str, Any], before: Values, now: Values) -> None:
    """Set what Task.bind copied from the settings to other values.

    What the user gave stands before ``__bound__`` in the class, since bind sets that first and copies
    then; what was assigned later differs from the setting.
    """
    names = list(attributes)
    bound = names.index("__bound__") if "__bound__" in attributes else len(names)
    older = attributes.get(OLDER[0], getattr(task_class, OLDER[0], None))
    for attribute, setting in getattr(task_class, "from_config", ()):
        if setting not in now or attribute not in names[bound:]:
            continue
        if attributes[attribute] == _bound_value(setting, before, older):
            value = _bound_value(setting, now, getattr(task_class, OLDER[0]))
            type.__setattr__(task_class, attribute, value)
    name, attribute, setting = CHORD_UNLOCK
    if attributes.get("name") == name and setting in now and attributes.get(attribute) == before[setting]:
        type.__setattr__(task_class, attribute, now[setting])


def _bound_value(setting: str, values: Values, older: Any) -> Any:
    """What Task.bind makes of a setting."""
    value = values[setting]
    if value is None and setting in ACKNOWLEDGE:
        return True if older is None else older
    return value


class Definitions:
    """The tasks that are registered, with every app, and the functions that register shared ones.

    What a test defines is gone afterwards. What is defined in a module that was first imported during
    the test stays, as the module will not be run again: a worker imports the app's ``include`` when it
    starts, and tests import inside functions.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._modules = sys.modules.copy()  # faster than a set of their names
        self._active = list(_state._get_active_apps())
        self._registries = [(each, dict(each._tasks)) for each in {app, *self._active}]
        self._finalizers = frozenset(_state._on_app_finalizers)

    def put_back(self, under: Values, now: Values) -> None:
        """Forget what the test defined; what stays is bound to the settings *now* instead of *under*."""
        for app, before in self._registries:
            new = {name: task for name, task in app._tasks.items() if name not in before}
            stay = {name: task for name, task in new.items() if self._stays(_definition_of(task))}
            reset_dict(app._tasks, {**before, **stay})
            if app is self._app:
                self._rebind(stay.values(), under, now)
        for app in self._active:
            _state._register_app(app)  # app.close() takes it from those that get shared tasks
        finalizers = _state._on_app_finalizers
        finalizers |= self._finalizers
        for finalizer in finalizers - self._finalizers:
            if not self._stays(_function_of(finalizer)):
                finalizers.discard(finalizer)

    def _rebind(self, tasks: Iterable[Any], under: Values, now: Values) -> None:
        for task in tasks:
            for name in ("_exec_options", "__trace__"):
                task.__dict__.pop(name, None)
            follow(type(task), dict(type(task).__dict__), under, now)

    def _stays(self, definition: Any) -> bool:
        module = getattr(definition, "__module__", None)
        is_local = "<locals>" in getattr(definition, "__qualname__", "<locals>")
        return module in sys.modules and module not in self._modules and not is_local


def _own_classes(tasks: Iterable[Any]) -> list[type[Any]]:
    """The classes of tasks below Celery's own, each once."""
    found: dict[type[Any], None] = {}
    for task in tasks:
        for each in type(task).__mro__:
            if each is Task or each is object:
                break
            found[each] = None
    return list(found)


def _use_the_apps_backend(task: Any) -> None:
    """Undo ``@app.task(backend=...)``, and a class that says so, for the time."""
    for owner in type(task).__mro__:  # looked at as little as can be: a class may answer in its own way
        if "backend" in owner.__dict__:
            break
    if owner is not Task and issubclass(type(task), Task):
        type.__setattr__(type(task), "backend", Task.__dict__["backend"])
    if getattr(task, "_backend", None) is not None:
        task.__dict__["_backend"] = None


def _put_back_class(task_class: type[Any], before: Mapping[str, Any]) -> None:
    now = task_class.__dict__
    if is_same_dict(now, before):
        return
    for name in [name for name in now if name not in before]:
        type.__delattr__(task_class, name)
    for name, value in before.items():
        if now.get(name, before) is not value:
            type.__setattr__(task_class, name, value)


def _definition_of(task: Any) -> Any:
    """The function that a task was made from, or its class."""
    return getattr(task, "__wrapped__", None) or type(task)


def _function_of(finalizer: Any) -> Any:
    """The function that ``@shared_task`` closed over, or the finalizer itself."""
    names = getattr(getattr(finalizer, "__code__", None), "co_freevars", ())
    cells = dict(zip(names, getattr(finalizer, "__closure__", None) or (), strict=False))
    return cells["fun"].cell_contents if "fun" in cells else finalizer
