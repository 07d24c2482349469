"""Results as messages, over RabbitMQ, which is the tasks' broker too: names begin with the namespace."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ..amqp_names import namespaced_url
from ..capabilities import Capability, no
from ..celery_release import limits, since
from ..probes.amqp import AmqpProbe, identify, sweep
from ..sources import Container, External, Identity, Local, Place, Program
from ..spec import BackendSpec, Namespace, Service
from ..traffic.amqp import watching

_USER: Final = "celery"
#: Erlang's port mapper would be started by the server and outlive it: one of our own is in the server's group,
#: and both are ended at once, for an orderly stop takes a second and there is nothing to keep.
_SCRIPT: Final = """\
trap 'kill -9 0' TERM
epmd &
mapper=$!
"$1" &
wait $!
status=$?
kill "$mapper"
exit "$status"
"""


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    return {"result_backend": "rpc://", "broker_url": namespaced_url(service.url, namespace.name)}


def _url(place: Place) -> str:
    return f"amqp://{_USER}:{place.password}@{place.host}:{place.port}//"


def _files(place: Place) -> Mapping[str, str]:
    lines = [
        f"listeners.tcp.1 = {place.host}:{place.port}",
        f"default_user = {_USER}",
        f"default_pass = {place.password}",
        "log.console = true",
        "log.console.level = info",
        "log.file = false",
        "vm_memory_high_watermark.absolute = 512MB",
        "disk_free_limit.absolute = 10MB",
    ]
    cookie = hashlib.sha256(f"cookie {place.password}".encode()).hexdigest()
    return {
        "rabbit.conf": "\n".join([*lines, ""]),
        "plugins": "[].\n",
        ".erlang.cookie": cookie,
        "run.sh": _SCRIPT,
    }


def _environment(place: Place) -> Mapping[str, str]:
    """Where everything is: without this the server looks into /etc and /var."""
    _, distribution, mapper = place.ports
    here = place.directory
    directories = {name: str(here) for name in ("BASE", "LOG_BASE")}
    own = {
        **directories,
        "NODENAME": f"pcb{place.port}@localhost",
        "MNESIA_BASE": str(here / "mnesia"),
        "LOGS": "-",
        "CONFIG_FILE": str(here / "rabbit"),
        "CONFIG_FILES": str(here / "none"),
        "ADVANCED_CONFIG_FILE": str(here / "none.config"),
        "CONF_ENV_FILE": str(here / "none"),
        "ENABLED_PLUGINS_FILE": str(here / "plugins"),
        "FEATURE_FLAGS_FILE": str(here / "flags"),
        "GENERATED_CONFIG_DIR": str(here / "generated"),
        "QUORUM_DIR": str(here / "quorum"),
        "STREAM_DIR": str(here / "stream"),
        "PID_FILE": str(here / "pid"),
        "NODE_PORT": str(place.port),
        "DIST_PORT": str(distribution),
        # two threads that do not spin while they wait
        "SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"
        " -kernel inet_dist_use_interface {127,0,0,1}",
    }
    mapped = {"ERL_EPMD_PORT": str(mapper), "ERL_EPMD_ADDRESS": "127.0.0.1"}
    return {**mapped, **{f"RABBITMQ_{name}": value for name, value in own.items()}}


def _command(place: Place) -> Sequence[str]:
    return ("/bin/sh", str(place.directory / "run.sh"), str(place.binaries / "rabbitmq-server"))


def _identify_path(binary: Path) -> Identity:
    """The version in a path: asking the program would start it.

    >>> str(_identify_path(Path("/usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8/sbin/rabbitmq-server")))
    'RabbitMQ 3.10.8'
    """
    found = re.search(r"rabbitmq(?:_server-|/)(\d+(?:\.\d+)*)", str(binary))
    if found is None:
        raise ValueError(str(binary))
    return Identity(product="RabbitMQ", version=found[1])


_PROGRAM: Final = Program(
    binaries=("rabbitmq-server",),
    command=_command,
    files=_files,
    environment=_environment,
    url=_url,
    identify_binary=lambda text: _identify_path(Path(text)),
    identify_path=_identify_path,
    ports=3,
)

SPEC: Final = BackendSpec(
    name="rpc",
    title="RabbitMQ",
    scheme="rpc",
    sources=(
        External(schemes=("amqp", "amqps"), example="amqp://USER:PASSWORD@localhost:5672//"),
        Container(
            image="rabbitmq",
            tag="4",
            port=5672,
            url=_url,
            environment=lambda place: {
                "RABBITMQ_DEFAULT_USER": _USER,
                "RABBITMQ_DEFAULT_PASS": place.password,
            },
        ),
        Local(
            program=_PROGRAM,
            places=("/usr/lib/rabbitmq/bin", "/usr/lib/rabbitmq/lib/*/sbin"),
            package="rabbitmq-server",
        ),
    ),
    identify=identify,
    settings=_settings,
    probe=AmqpProbe,
    traffic=watching,
    sweep=sweep,
    client_command=lambda url: f"celery -b {url} amqp",
    limits=limits(
        {
            Capability.ANY_READER: no("only the app that sent a task has the queue with its result"),
            Capability.CHORDS: no("Celery refuses chords on rpc://"),
            Capability.COMPRESSION: no("Celery compresses no results that are messages"),
            Capability.EXPIRY: no("a reply queue expires as a whole once it is idle, a single result never"),
            Capability.EXTENDED: since(
                (5, 7), "Celery sends no name and arguments with an rpc result before 5.7", "celery#10431"
            ),
            Capability.FORGET: no("forget() drops what this client received, nothing in the queue"),
            Capability.GROUPS: no("Celery cannot save groups on rpc://"),
            Capability.PERSISTENCE: no("a reply queue goes with the process that reads it"),
            Capability.REREAD: no("a result is a message: once it was taken it is gone"),
            Capability.TIME_TRAVEL: no("RabbitMQ counts on its own clock for how long a queue is idle"),
        }
    ),
)
