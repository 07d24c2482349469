"""What the specs of MariaDB and MySQL share: one protocol, one driver, nearly the same server."""

from __future__ import annotations

import re
import shlex
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

from .capabilities import Capability, no
from .database_limits import DATABASE_LIMITS
from .sources import Container, External, Identity, Local, Place, Program
from .spec import Driver, Namespace, NotReady, Service

_USER: Final = "celery"
#: Where packages of both put what is in no user's PATH.
PLACES: Final = ("/usr/sbin", "/usr/libexec", "/usr/local/mysql/bin", "/opt/homebrew/opt/m*/bin")
#: Safe against a killed server, not against a crash of the machine: nothing here has to outlive that.
#: "loose": a server that no longer has the option says so in its log, and starts.
_FAST: Final = (
    *("--loose-innodb-flush-method=nosync", "--loose-innodb-flush-log-at-trx-commit=2", "--skip-log-bin"),
    *("--loose-innodb-buffer-pool-size=16M", "--loose-innodb-autoextend-increment=1"),
    "--loose-performance-schema=OFF",
)
#: MySQL does not start with temporary tables of less than 12 MB.
_MARIADB: Final = (
    "--loose-innodb-log-file-size=8M",
    "--loose-innodb-temp-data-file-path=ibtmp1:2M:autoextend",
)
_MYSQL: Final = ("--loose-innodb-redo-log-capacity=8M", "--loose-mysqlx=OFF")

#: Parameters of PyMySQL's that lead to a server, whatever host the URL names.
_ELSEWHERE: Final = frozenset({"unix_socket", "read_default_file"})

DRIVERS: Final = (
    Driver(module="sqlalchemy", distribution="SQLAlchemy"),
    Driver(module="pymysql", distribution="PyMySQL"),
)
LIMITS: Final = {
    **DATABASE_LIMITS,
    Capability.LARGE_RESULTS: no(
        "Celery's column for results is a BLOB of 65535 bytes: a longer one is not stored"
    ),
}


def external(scheme: str) -> External:
    """A server given by URL, under the names that SQLAlchemy knows and that lead to PyMySQL."""
    schemes = tuple(f"{first}{name}{driver}" for first in ("", "db+") for name, driver in _names(scheme))
    return External(schemes=schemes, example=f"{scheme}://USER:PASSWORD@localhost:3306/DATABASE")


def _names(scheme: str) -> list[tuple[str, str]]:
    return [(name, driver) for name in dict.fromkeys((scheme, "mysql")) for driver in ("", "+pymysql")]


def container(image: str, tag: str, variables: str) -> Container:
    """The official image; root may make databases, the image's own user may not."""
    own = _MARIADB if image == "mariadb" else _MYSQL
    return Container(
        image=image,
        tag=tag,
        port=3306,
        url=lambda place: f"mysql://root:{place.password}@{place.host}:{place.port}/",
        # its tables of time zones take the image longer than all others, and nobody asks for them
        environment=lambda place: {
            f"{variables}_ROOT_PASSWORD": place.password,
            f"{variables}_INITDB_SKIP_TZINFO": "1",
        },
        command=lambda place: ("--character-set-server=utf8mb4", "--skip-name-resolve", *_FAST, *own),
    )


def local(binary: str, package: str) -> Local:
    """Binaries of this machine; Debian's ``mysqld`` may be a link to MariaDB's server."""
    program = Program(
        binaries=(binary,),
        prepare=lambda place: (_initialize(binary, place),),
        data="data",
        command=lambda place: _command(binary, place),
        files=_files,
        url=lambda place: f"mysql://{_USER}:{place.password}@127.0.0.1:{place.port}/",
        identify_binary=identify_binary,
        refuses_root=True,
    )
    return Local(program=program, places=PLACES, package=package)


def identify_binary(text: str) -> Identity:
    """The identity in what ``--version`` prints.

    >>> str(identify_binary("mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)"))
    'MariaDB 10.11.19'
    >>> str(identify_binary("/usr/sbin/mysqld  Ver 9.7.4 for Linux on x86_64 ((Debian))"))
    'MySQL 9.7.4'
    """
    found = re.search(r"\bVer (\d+(?:\.\d+)+)", text)
    if found is None:
        raise ValueError(text)
    return Identity(product="MariaDB" if "mariadb" in text.lower() else "MySQL", version=found[1])


def client_command(url: str) -> str:
    """The client's command line, which asks for the password: it takes no URL.

    >>> client_command("mysql://celery:secret@127.0.0.1:3307/")
    'mysql --host=127.0.0.1 --port=3307 --user=celery --password'
    """
    parts = urlsplit(url)
    user, database = unquote(parts.username or ""), unquote(parts.path[1:])
    words = [
        "mysql",
        f"--host={parts.hostname}",
        f"--port={parts.port or 3306}",
        f"--user={user}",
        "--password",
    ]
    return shlex.join([*words, database] if database else words)


def database_url(url: str, database: str = "") -> str:
    """The URL of one database, or of the one that it names itself, with the driver that is used.

    >>> database_url("mysql://u:p@db:3306/shop?charset=utf8mb4", "pcb1")
    'mysql+pymysql://u:p@db:3306/pcb1?charset=utf8mb4'
    """
    parts = urlsplit(url.removeprefix("db+"))
    path = f"/{database}" if database else parts.path
    return urlunsplit(parts._replace(scheme="mysql+pymysql", path=path))


def await_greeting(url: str, limit: float) -> None:
    """Wait for a server's first word. It costs next to nothing; a connection of PyMySQL's reads certificates first."""
    address = urlsplit(database_url(url))
    if address.hostname is None or not _ELSEWHERE.isdisjoint(parse_qs(address.query)):
        return
    try:
        with socket.create_connection((address.hostname, address.port or 3306), timeout=limit) as connection:
            if not connection.recv(1):
                raise NotReady("the connection was closed without a word")
    except OSError as error:  # in the driver's words
        raise NotReady(f"Can't connect to MySQL server on {address.hostname!r} ({error})") from None


def service_url(service: Service) -> str:
    """A server's URL; without TLS where it was started here.

    PyMySQL >= 1.2 tries TLS first (PyMySQL#1234), and reads all of the system's certificates for each connection, of
    which Celery opens one per operation.

    >>> mysql = Identity(product="MySQL", version="9")
    >>> service_url(Service(backend="mysql", provider="local", url="mysql://127.0.0.1:3307/", identity=mysql))
    'mysql://127.0.0.1:3307/?ssl_disabled=true'
    """
    if service.provider == "external":
        return service.url
    return f"{service.url}{'&' if urlsplit(service.url).query else '?'}ssl_disabled=true"


def settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    """Celery's settings that lead to a namespace's database."""
    # A schema is a database here: one in the user's settings would lead out of the namespace.
    url = database_url(service_url(service), namespace.name)
    return {"result_backend": f"db+{url}", "database_table_schemas": {}}


def _is_mariadb(binary: str, place: Place) -> bool:
    return (place.binaries / binary).resolve().name.startswith("mariadb")


def _initialize(binary: str, place: Place) -> Sequence[str]:
    data = f"--datadir={place.directory / 'data'}"
    if not _is_mariadb(binary, place):
        return (binary, "--no-defaults", "--initialize-insecure", data, *_FAST, *_MYSQL)
    # No account without a password: root's takes the socket alone, and that from the system's user.
    accounts = (
        "--auth-root-authentication-method=socket",
        "--auth-root-socket-user=nobody",
        "--skip-test-db",
    )
    return (_installer(place.binaries), "--no-defaults", data, *accounts, *_FAST, *_MARIADB)


def _installer(binaries: Path) -> str:
    """Debian has the server in /usr/sbin and the script that makes its tables in /usr/bin."""
    name = "mariadb-install-db"
    found = (folder / name for folder in (binaries, binaries.parent / "bin", binaries.parent / "scripts"))
    return str(next(filter(Path.is_file, found), name))


def _command(binary: str, place: Place) -> Sequence[str]:
    home, own = place.directory, _MARIADB if _is_mariadb(binary, place) else _MYSQL
    files = (f"--datadir={home / 'data'}", f"--socket={home / 'socket'}", f"--pid-file={home / 'pid'}")
    network = (f"--port={place.port}", "--bind-address=127.0.0.1", "--skip-name-resolve")
    start = (f"--init-file={home / 'init.sql'}", f"--tmpdir={home}", "--character-set-server=utf8mb4")
    return (binary, "--no-defaults", *files, *network, *start, *_FAST, *own)


def _files(place: Place) -> Mapping[str, str]:
    """What the server runs before it listens, one statement a line: the account with this start's password.

    The password is in no data directory that is kept: each start sets a new one.
    """
    account = f"'{_USER}'@'127.0.0.1'"
    statements = (
        f"CREATE USER IF NOT EXISTS {account};",
        f"ALTER USER {account} IDENTIFIED BY '{place.password}';",
        f"GRANT ALL ON *.* TO {account} WITH GRANT OPTION;",
    )
    return {"init.sql": "".join(f"{statement}\n" for statement in statements)}
