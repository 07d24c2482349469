"""MariaDB: a database for each namespace, through the mysql dialect, which Celery's users write for both."""

from __future__ import annotations

from typing import Final

from ..mysql_server import DRIVERS, LIMITS, client_command, container, external, local, settings
from ..probes.mysql import identify, probe, sweep
from ..sessions import own_sessions
from ..spec import BackendSpec
from ..traffic.alchemy import watching

SPEC: Final = BackendSpec(
    name="mariadb",
    title="MariaDB",
    scheme="db+mysql+pymysql",
    sources=(
        external("mariadb"),
        container("mariadb", "11", "MARIADB"),
        local("mariadbd", "mariadb-server"),
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
