"""A broker that is somebody else's: production's queues of the same names are left alone, two runs do not meet."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from running import RunTests, watched_production

from pytest_celery_backends.options import OPTIONS, resolve
from pytest_celery_backends.probes.amqp import connected
from pytest_celery_backends.run import Run
from pytest_celery_backends.selection import Choice
from pytest_celery_backends.spec import NotReady, Refused

amqp = pytest.importorskip("amqp")

#: The machine's own, where it answers; else a private one is started.
OWN = "amqp://guest:guest@127.0.0.1:5672//"

SOURCE = """
import os
import time
from pathlib import Path
import pytest
from celery import group, shared_task

pytestmark = pytest.mark.backends("rpc")

@shared_task
def add(x, y):
    return x + y

@shared_task(bind=True, acks_late=True)
def flaky(self):
    if self.request.retries < 1:
        raise self.retry(countdown=0.01)
    return self.request.delivery_info["routing_key"]

def meet(step):
    '''Wait until the other run, if there is one, has come here too.'''
    me, other = os.environ["ME"], os.environ["OTHER"]
    Path(f"{step}-{me}").touch()
    deadline = time.monotonic() + 30
    while other and not Path(f"{step}-{other}").exists():
        assert time.monotonic() < deadline, f"the other run did not come to {step}"
        time.sleep(0.01)

def test_only_our_own_results_are_there(result_backend):
    results = [add.delay(n, n) for n in range(3)]
    for result in results:
        result_backend.wait_for(result, "SUCCESS")
    meet("stored")
    assert sorted(each.task_id for each in result_backend.stored()) == sorted(result.id for result in results)
    assert [result.get(timeout=5) for result in results] == [0, 2, 4]
    meet("seen")

def test_all_kinds(result_backend, result_app, result_worker):
    assert flaky.delay().get(timeout=5) == "celery"
    assert group(add.s(1, 1), add.s(2, 2)).delay().get(timeout=5) == [2, 4]
    assert result_app.control.ping(timeout=5, limit=1) == [{result_worker.hostname: {"ok": "pong"}}]

def test_leaves_something_behind(result_backend):
    add.delay(1, 1)
    add.apply_async((1, 1), queue="nobody", countdown=60)
    Path("broker_url").write_text(str.__str__(result_backend.settings["broker_url"]))
    if "HANG" in os.environ:
        Path("hanging").touch()
        time.sleep(60)

def test_starts_empty(result_backend):
    assert result_backend.stored() == []
    assert result_backend.provider == "external"
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A broker on which there is no queue of Celery's."""
    run = Run(resolve({"celery_backends_provider": ["local"]}, {}, {}), lambda registry: None)
    choice, found = Choice(name="rpc"), OWN
    try:
        run.spec(choice).identify(OWN, 2.0)
        is_taken = exists(OWN, "celery")
    except (NotReady, Refused):
        is_taken = True
    if is_taken:
        error = run.plan(choice).error
        if error:
            run.close()
            pytest.fail(error.cause) if "CI" in os.environ else pytest.skip(error.cause)
        found = run.service(choice).url
    yield found
    run.close()


def exists(url: str, queue: str) -> bool:
    with closing(connected(url, 5)) as connection:
        try:
            connection.channel().queue_declare(queue, passive=True)
        except amqp.NotFound:
            return False
        return True


@pytest.fixture
def production(url: str) -> Iterator[Any]:
    """A channel; production's queue and exchange are there, bound, with a message that waits."""
    with closing(connected(url, 5)) as connection:
        channel = connection.channel()
        channel.exchange_declare("celery", "direct", durable=True, auto_delete=False)
        channel.queue_declare("celery", durable=True, auto_delete=False)
        channel.queue_bind("celery", "celery", "celery")
        channel.basic_publish_confirm(amqp.Message("production's"), "celery", "celery")
        yield channel
        channel.queue_delete("celery")
        channel.exchange_delete("celery")


def started(place: Path, url: str, me: str, other: str = "", **more: str) -> subprocess.Popen[str]:
    (place / "test_it.py").write_text(SOURCE)
    dropped = {"CI", *(option.variable for option in OPTIONS)}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    plugins = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p celery_backends"}
    options = ["-v", "-p", "no:cacheprovider", "--celery-backends-unavailable=fail"]
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, f"--celery-backends-url=rpc={url}"],
        cwd=place,
        env={**kept, **plugins, "ME": me, "OTHER": other, **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> str:
    try:
        return process.communicate(timeout=60)[0]
    finally:
        process.kill()
        process.wait(10)


def left_by(url: str, place: Path) -> list[str]:
    """The queues of the run that are on the broker, among those that it must have had."""
    namespace = (place / "broker_url").read_text().rpartition("/")[2]
    names = [f"{namespace}.celery", f"{namespace}.nobody", f"{namespace.rpartition('_')[0]}_index"]
    return [name for name in names if exists(url, name)]


def test_productions_queue_is_not_touched_and_nothing_of_a_run_stays(
    url: str, production: Any, tmp_path: Path
) -> None:
    output = finished(started(tmp_path, url, "one"))
    assert re.search(r"=+ 4 passed", output), output
    answer = production.queue_declare("celery", passive=True)
    assert (answer.message_count, answer.consumer_count) == (1, 0)
    message = production.basic_get("celery", no_ack=True)
    assert (message.body, message.delivery_info["redelivered"]) == ("production's", False)
    assert left_by(url, tmp_path) == []


def test_two_runs_at_the_same_time_on_the_same_broker_do_not_see_each_other(url: str, tmp_path: Path) -> None:
    one, two = started(tmp_path, url, "one", "two"), started(tmp_path, url, "two", "one")
    for output in (finished(one), finished(two)):
        assert re.search(r"=+ 4 passed", output), output


def test_the_next_run_removes_what_a_killed_run_left(url: str, tmp_path: Path) -> None:
    killed, after = tmp_path / "killed", tmp_path / "after"
    for place in (killed, after):
        place.mkdir()
    process = started(killed, url, "killed", HANG="1")
    deadline = time.monotonic() + 30
    while not (killed / "hanging").exists():
        assert process.poll() is None, "the run ended by itself"
        assert time.monotonic() < deadline, "the run did not come to its test"
        time.sleep(0.01)
    process.kill()
    finished(process)
    assert len(left_by(url, killed)) == 3
    output = finished(started(after, url, "after"))
    assert re.search(r"=+ 4 passed", output), output
    assert left_by(url, killed) == []


def test_an_app_whose_production_is_rabbitmq_never_asks_for_it(
    url: str, run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        watched_production('broker="amqp://shop:secret@production.invalid//", backend="rpc://"')
    )
    result = run_tests(
        "from celery import chain\n"
        "@pytest.mark.backends('rpc')\n"
        "@pytest.mark.parametrize('n', [1, 2])\n"
        "def test_all(celery_backends_app, n):\n"
        "    assert chain(add.s(1, n), add.s(1))().get(timeout=5) == n + 2\n"
        "    add.apply_async((1, 1), countdown=60).revoke()\n"
        "    assert celery_backends_app.control.inspect(timeout=0.5, limit=1).ping()\n"
        "    assert 'invalid' not in celery_backends_app.conf.broker_url\n"
        "def test_afterwards(celery_backends_app):\n"
        "    assert celery_backends_app.conf.broker_url == 'amqp://shop:secret@production.invalid//'\n"
        "    assert celery_backends_app.conf.result_backend == 'rpc://'\n",
        "-s",
        f"--celery-backends-url=rpc={url}",
    )
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*ASKED FOR PRODUCTION: ?]", "WATCHED: True"])
