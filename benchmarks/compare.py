"""What a test costs, in ratios measured in one run. See README.md."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
#: How many round trips with and without recording; that many, because one in ten is twice as long.
ROUND_TRIPS = 1000
#: So many in one turn.
TURN = 10
BACKENDS = ("memory", "redis", "filesystem", "sqlite", "postgres")
#: A bare round trip on memory, in milliseconds, where the targets that are times were set.
WHERE_SET = 0.034
#: Servers that start at the same time, as far as they can be had.
STARTED = ("redis", "postgres", "rpc", "mariadb")

OURS = """
import pytest
from celery import shared_task

@shared_task
def add(x, y):
    return x + y

@pytest.mark.backends({names})
@pytest.mark.parametrize("n", range({tests}))
def test_add(n):
    assert add.delay(2, 2).get(timeout=10) == 4
"""

#: As many tests that need no server, each for some seconds of a processor.
COMPUTING = """
import time

import pytest

@pytest.mark.parametrize("n", range({tests}))
def test_compute(n):
    end = time.thread_time() + {seconds}
    while time.thread_time() < end:
        pass
"""

#: The same test with and without a look a day ahead.
A_DAY = """
import pytest
from celery import shared_task

@shared_task
def add(x, y):
    return x + y

@pytest.mark.backends({name!r})
@pytest.mark.celery(result_expires=86400)
@pytest.mark.parametrize("n", range({tests}))
@pytest.mark.parametrize("looks", [False, True], ids=["plain", "looks"])
def test_add(n, looks, result_backend):
    result = add.delay(2, 2)
    assert result.get(timeout=10) == 4
    if looks:
        result_backend.assert_expires(result, after=86400)
        result_backend.advance(86400 + 60)
        result_backend.run_cleanup()
        result_backend.assert_cleaned_up(expired=[result])
"""

STOCK = """
import pytest

@pytest.fixture(scope="session")
def celery_config():
    return {{"broker_url": "memory://", "result_backend": "cache+memory://"}}

@pytest.mark.parametrize("n", range({tests}))
def test_add(n, {app}, {worker}):
    @{app}.task
    def add(x, y):
        return x + y
    {worker}.reload()
    assert add.delay(2, 2).get(timeout=10) == 4
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement, in milliseconds, with its target or none.

    *relative* is the part of the target that was measured in this run: it needs no machine of a certain pace.
    """

    what: str
    measured: float
    target: float | None = None
    relative: float = 0.0

    def shown(self, slower: float) -> str:
        """A line of the table, on a machine that takes so many times as long as where the targets were set."""
        line = f"{self.what:64}{self.measured:10.2f}"
        if self.target is None:
            return line
        line += f"  {self.target:9.1f}  {self._verdict(self.target):6}"
        here = self.relative + (self.target - self.relative) * slower
        return line.rstrip() if here == self.target else f"{line}  {here:9.1f}  {self._verdict(here)}"

    def _verdict(self, target: float) -> str:
        return "ok" if self.measured <= target else "MISSED"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A run of pytest, in seconds: each test, the whole run, and what came before the first test."""

    tests: dict[str, float]
    whole: float
    start: float


def run_pytest(
    source: str, *plugins: str, provider: str = "embedded", more: tuple[str, ...] = ()
) -> Measured:
    """Run pytest on a module with these plugins, and none that is installed beside them.

    pytest-celery's fixtures have the names of Celery's own, and what others import takes longer, and varies more, than
    most of what is measured.
    """
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "test_it.py").write_text(source, encoding="utf-8")
        measured = Path(directory, "measured.json")
        args = [word for plugin in ("no:cacheprovider", "measured", *plugins) for word in ("-p", plugin)]
        command = [sys.executable, "-m", "pytest", "-q", *args, *more, "test_it.py"]
        environment = {
            **os.environ,
            "MEASURED": str(measured),
            "PYTHONPATH": str(HERE),
            "PYTEST_CELERY_BACKENDS_PROVIDER": provider,
            "PYTEST_CELERY_BACKENDS_UNAVAILABLE": "fail",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        began, started = time.time(), time.perf_counter()
        run = subprocess.run(
            command, cwd=directory, env=environment, capture_output=True, text=True, timeout=600
        )
        took = time.perf_counter() - started
        found = json.loads(measured.read_text()) if measured.exists() else {"failed": True}
        if found["failed"]:
            raise SystemExit((run.stdout + run.stderr)[-3000:])
        return Measured(tests=found["seconds"], whole=took, start=found["began"][0] - began)


def milliseconds(work: Callable[[], object], times: int) -> float:
    """The median duration of some work."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append((time.perf_counter() - started) * 1000)
    return median(taken)


@contextmanager
def leased(names: tuple[str, ...]) -> Iterator[Callable[[str, dict[str, Any]], Any]]:
    """Leases on embedded servers, as tests get them."""
    from celery import Celery

    from pytest_celery_backends.options import resolve
    from pytest_celery_backends.run import Run
    from pytest_celery_backends.selection import Choice

    run = Run(resolve({"celery_backends_provider": ["embedded"]}, {}, {}), lambda registry: None)
    app = Celery("benchmark", set_as_current=False)
    for name in names:
        run.service(Choice(name=name))
    try:
        yield lambda name, settings: run.lease(Choice(name=name), app, settings)
    finally:
        run.close()


def bare_and_inside() -> tuple[dict[str, float], list[Row]]:
    """The bare round trip on each backend, and what is measured inside one process."""
    rows = []
    bare = {}
    with leased(BACKENDS) as lease:
        for name in BACKENDS:
            with lease(name, {}) as taken:
                bare[name] = _bare(taken.app.backend)
                if name in ("redis", "sqlite", "postgres"):
                    rows.append(
                        Row(
                            what=f"chord of five on {name}",
                            measured=_chord(taken),
                            target=20 if name == "redis" else 60,
                        )
                    )
        for settings, steps, what in (
            ({}, 0, "a round trip"),
            ({"task_track_started": True}, 1, "STARTED, PROGRESS, SUCCESS"),
        ):
            with lease("redis", settings) as taken:
                rows.append(_recording(taken, steps, what))
        rows.append(_corpus(lease))
        with lease("memory", {}) as taken:
            rows.append(_waking(taken))
            starts, stops = [], []
            for _ in range(20):
                stops.append(milliseconds(taken.stop_worker, 1))
                starts.append(milliseconds(taken.start_worker, 1))
            rows += [
                Row(what="worker start", measured=median(starts), target=20),
                Row(what="worker stop", measured=median(stops), target=20),
            ]
    return bare, rows


def _recording(taken: Any, steps: int, what: str) -> Row:
    """What recording adds to a round trip: a few with and a few without it in turns, since machines change their pace.

    The first two do not count: classes were just changed, and Python looks their attributes up anew. Before a test
    that is over when its worker starts.
    """

    def add(self: Any, x: int, y: int) -> int:
        for step in range(steps):
            self.update_state(state="PROGRESS", meta={"done": step})
        return x + y

    def seconds_of_one() -> float:
        begun = time.perf_counter()
        task.delay(2, 2).get(timeout=10)
        took = time.perf_counter() - begun
        taken.recorder.clear()
        return took

    task = taken.app.task(add, name=f"recorded.{steps}", shared=False, bind=True)
    recorded, bare = [], []
    for _ in range(ROUND_TRIPS // TURN):
        recorded += [seconds_of_one() for _ in range(TURN + 2)][2:]
        taken.observing.end()
        bare += [seconds_of_one() for _ in range(TURN + 2)][2:]
        taken.observing.begin()
    without = median(bare) * 1000
    return Row(
        what=f"recording {what} on redis ({without:.2f} ms without)",
        measured=median(recorded) * 1000 - without,
        target=min(0.05 * without, 0.2),
        relative=min(0.05 * without, 0.2),
    )


def _corpus(lease: Callable[[str, dict[str, Any]], Any]) -> Row:
    """Every value of the corpus through a task on redis, under each serializer that is here."""
    from pytest_celery_backends.corpus import VALUES
    from pytest_celery_backends.senders import sender
    from pytest_celery_backends.serializers import of_results

    names = [name for name in ("json", "pickle", "yaml", "msgpack") if name in sys.modules or find_spec(name)]
    started = time.perf_counter()
    for name in names:
        with sender(partial(lease, "redis"), of_results(name), "result", 10) as send:
            for make in VALUES.values():
                send(make())
    took = (time.perf_counter() - started) * 1000
    return Row(what=f"{len(VALUES)} values x {len(names)} serializers on redis", measured=took, target=5000)


def _waking(taken: Any) -> Row:
    """From the return of a store to the wake of a thread that waits for it."""
    woken: list[float] = []
    for number in range(50):
        task_id = f"woken-{number}"
        waiter = threading.Thread(
            target=lambda wanted=task_id: (
                taken.recorder.wait_until(lambda: len(taken.recorder.seen(wanted)) > 0, 5),
                woken.append(time.perf_counter()),
            )
        )
        waiter.start()
        taken.app.backend.store_result(task_id, 1, "SUCCESS")
        stored = time.perf_counter()
        waiter.join()
        woken[-1] = (woken[-1] - stored) * 1000
    return Row(what="waking a waiter after the store", measured=median(woken), target=1)


def _bare(backend: Any) -> float:
    numbers = iter(range(10_000))

    def round_trip() -> None:
        task_id = f"bare-{next(numbers)}"
        backend.store_result(task_id, 4, "SUCCESS")
        assert backend.get_result(task_id) == 4

    return milliseconds(round_trip, 100)


def _chord(taken: Any) -> float:
    from celery import chord

    def double(n: int) -> int:
        return 2 * n

    def total(numbers: list[int]) -> int:
        return sum(numbers)

    header = taken.app.task(double, name="double", shared=False)
    body = taken.app.task(total, name="total", shared=False)
    return milliseconds(lambda: chord((header.s(n) for n in range(5)), body.s())().get(timeout=10), 15)


def per_test(bare: dict[str, float], tests: int) -> list[Row]:
    """The median test on each backend, set-up and teardown included."""
    rows = []
    for name in BACKENDS:
        seconds = run_pytest(OURS.format(names=repr(name), tests=tests), "celery_backends").tests
        relative = 0.0 if name == "memory" else 4 * bare[name]
        rows.append(
            Row(
                what=f"one test on {name} (bare round trip {bare[name]:.2f} ms)",
                measured=median(seconds.values()) * 1000,
                target=3.0 + relative,
                relative=relative,
            )
        )
    return rows


def a_day(tests: int) -> list[Row]:
    """What it adds to a test to see that its result goes after a day, and is gone once that has passed."""
    rows = []
    for name in ("redis", "sqlite", "postgres"):
        seconds = run_pytest(A_DAY.format(name=name, tests=tests), "celery_backends").tests
        plain, looks = (
            median(took for test, took in seconds.items() if word in test) * 1000
            for word in ("plain", "looks")
        )
        what = f"a day's expiry on {name}, on top of {plain:.2f} ms"
        rows.append(Row(what=what, measured=looks - plain, target=20))
    return rows


def stock() -> list[Row]:
    """The same test with Celery's own plugin."""
    rows = []
    for app, worker, tests in (
        ("celery_session_app", "celery_session_worker", 6),
        ("celery_app", "celery_worker", 3),
    ):
        source = STOCK.format(app=app, worker=worker, tests=tests)
        seconds = run_pytest(source, "celery.contrib.pytest").tests
        rows.append(
            Row(what=f"celery.contrib.pytest, {worker}, on memory", measured=median(seconds.values()) * 1000)
        )
    return rows


def whole_runs() -> list[Row]:
    """Two hundred tests on four backends; and a run that has nothing to do with Celery."""
    names = "'memory', 'redis', 'sqlite', 'postgres'"
    took = run_pytest(OURS.format(names=names, tests=200), "celery_backends").whole
    rows = [
        Row(what="200 tests x memory, redis, sqlite, postgres: whole run", measured=took * 1000, target=8000)
    ]
    rows.append(Row(what="--celery-backends-list", measured=min(map(_listing, range(3))), target=2000))
    plain = "def test_plain():\n    pass\n"
    without, with_plugin = [], []
    for _ in range(40):
        without.append(run_pytest(plain).whole)
        with_plugin.append(run_pytest(plain, "celery_backends").whole)
    base = min(without) * 1000
    rows.append(
        Row(
            what=f"a run without marker (without the plugin {base:.0f} ms)",
            measured=min(with_plugin) * 1000,
            target=base + 10,
            relative=base,
        )
    )
    return rows


def _listing(_: int) -> float:
    """Milliseconds that the list of all backends takes, with whatever engine and programs are here.

    Other plugins import what they like, with this option or without it: that may take as long again.
    """
    plugins = ("-p", "celery_backends", "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", "--celery-backends-list", *plugins]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    with tempfile.TemporaryDirectory() as directory:
        started = time.perf_counter()
        subprocess.run(command, cwd=directory, env=environment, check=True, capture_output=True, timeout=60)
        return (time.perf_counter() - started) * 1000


def session_starts(provider: str) -> list[Row]:
    """How long a run with several servers takes to its first test, against the slowest one alone.

    The best of three rounds: a machine that others use is not as fast in one minute as in the next.
    """
    names = tuple(name for name in STARTED if _is_here(name, provider))
    if len(names) < 2:
        return []
    rounds = [
        [_started_in(each, provider) for each in (*((name,) for name in names), names)] for _ in range(3)
    ]
    *alone, together = map(min, zip(*rounds, strict=True))
    slowest = max(alone)
    what = f"start of {' + '.join(names)}, {provider} (alone: {names[alone.index(slowest)]} {slowest:.0f} ms)"
    return [Row(what=what, measured=together, target=1.3 * slowest, relative=1.3 * slowest)]


def _started_in(names: tuple[str, ...], provider: str) -> float:
    """Milliseconds until the first of one test on each begins."""
    source = OURS.format(names=", ".join(map(repr, names)), tests=1)
    return run_pytest(source, "celery_backends", provider=provider).start * 1000


def _is_here(name: str, provider: str) -> bool:
    from pytest_celery_backends.options import resolve
    from pytest_celery_backends.run import Run
    from pytest_celery_backends.selection import Choice

    run = Run(resolve({"celery_backends_provider": [provider]}, {}, {}), lambda registry: None)
    try:
        return name in run.registry.names and run.plan(Choice(name=name)).error is None
    finally:
        run.close()


def distributed() -> list[Row]:
    """Four hundred tests on each of redis and postgres, in one process and in two in turns, the middle of five.

    A machine that others use is not as fast in one minute as in the next: runs are compared with their neighbours.
    Beside them as many tests that only compute, for as long, without server and plugin: what pytest-xdist takes itself.
    """
    ours, computing = [], []
    for _ in range(5):
        source = OURS.format(names="'redis', 'postgres'", tests=400)
        ours.append(_in_one_and_in_two(source, "celery_backends"))
        source = COMPUTING.format(tests=800, seconds=ours[-1][0] / 800)
        computing.append(_in_one_and_in_two(source))
    one, two = _middle(ours)
    rows = [
        Row(
            what=f"400 tests x redis, postgres with -n2 (in one process {one * 1000:.0f} ms)",
            measured=two * 1000,
            target=650 * one,
            relative=650 * one,
        )
    ]
    one, two = _middle(computing)
    what = f"800 tests that only compute with -n2 (in one process {one * 1000:.0f} ms)"
    return [*rows, Row(what=what, measured=two * 1000)]


def _in_one_and_in_two(source: str, *plugins: str) -> tuple[float, float]:
    one, two = (run_pytest(source, *plugins, "xdist", more=(option,)).whole for option in ("-n0", "-n2"))
    return one, two


def _middle(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    return sorted(pairs, key=lambda pair: pair[1] / pair[0])[len(pairs) // 2]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", type=int, default=100, help="tests per backend for the medians")
    parser.add_argument("--only", choices=("starts", "distributed"), help="measure nothing else")
    arguments = parser.parse_args()
    print(f"{'milliseconds':64}{'measured':>10}  {'target':>9}  {'':6}  {'here':>9}")
    before = bare_on_memory()
    for rows in _measured(arguments.tests, arguments.only):
        after = bare_on_memory()
        slower = min(before, after) / WHERE_SET  # the stricter of the two
        for row in rows:
            print(row.shown(slower), flush=True)
        before = after


def bare_on_memory() -> float:
    """Milliseconds of a bare round trip on memory, by which one machine is measured against another."""
    from celery import Celery

    return _bare(Celery("pace", backend="cache+memory://", set_as_current=False).backend)


def pace() -> list[Row]:
    """How fast this machine is just now: it may be half as fast a minute later, and then all else is."""

    def loop() -> None:
        held = {}
        for number in range(1_000_000):
            held[number % 1000] = str(number)

    return [
        Row(what="pace: a Python loop of a million steps", measured=milliseconds(loop, 5)),
        Row(what=f"pace: a bare round trip on memory ({WHERE_SET} where set)", measured=bare_on_memory()),
    ]


def _measured(tests: int, only: str | None) -> Iterator[list[Row]]:
    yield pace()
    if only is None:
        bare, inside = bare_and_inside()
        yield per_test(bare, tests)
        yield a_day(tests)
        yield stock()
        yield inside
        yield whole_runs()
    if only != "distributed":
        yield from map(session_starts, ("local", "container"))
    if only != "starts":
        yield distributed()
    yield pace()


if __name__ == "__main__":
    main()
