"""MySQL: a database for each namespace. A server that answers as MariaDB is called so."""

from __future__ import annotations

from typing import Final

from ..mysql_server import DRIVERS, LIMITS, client_command, container, external, local, settings
from ..probes.mysql import identify, probe, sweep
from ..sessions import own_sessions
from ..spec import BackendSpec
from ..traffic.alchemy import watching

SPEC: Final = BackendSpec(
    name="mysql",
    title="MySQL",
    scheme="db+mysql+pymysql",
    sources=(
        external("mysql"),
        container("mysql", "8.4", "MYSQL"),
        local("mysqld", "mysql-server"),
    ),
    identify=identify,
    settings=settings,
    probe=probe,
    traffic=watching,
    sweep=sweep,
    adapt=own_sessions,
    drivers=DRIVERS,
    extra="mysql",
    client_command=client_command,
    limits=LIMITS,
)
