"""The fixtures: they hand out objects and hold no logic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from .stash import LEASE, OPTIONS, RUN, SERVER, UNDERNEATH

if TYPE_CHECKING:
    from .result_backend import ResultBackend
    from .result_service import ResultService
    from .result_worker import ResultWorker
    from .run import Run
    from .selection import Choice


@contextmanager
def told(node: pytest.Item | None = None) -> Iterator[None]:
    """Turn our errors into failures without a traceback of ours."""
    from .errors import BackendsError, NotPulled

    try:
        yield
    except BackendsError as error:
        if node is not None and isinstance(error, NotPulled):
            from .outcomes import leave_out

            leave_out(node, node.config.stash[RUN], error)
        if node is not None and error.log:
            when = "teardown" if LEASE in node.stash else "setup"
            node.add_report_section(when, error.log_title, error.log)
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.fixture(scope="session")
def celery_backends_app(request: pytest.FixtureRequest) -> Any:
    """The Celery app under test: what the option ``celery_backends_app`` names. Override it in a conftest."""
    from .apps import fresh_app, load_app

    path = request.config.stash[OPTIONS]["celery_backends_app"]
    with told():
        return load_app(path) if path else fresh_app()


@pytest.fixture(scope="session")
def celery_backends_settings() -> Mapping[str, Any]:
    """Celery settings for every test. Override it in a conftest."""
    return {}


@pytest.fixture(scope="session")
def _celery_backend(request: pytest.FixtureRequest) -> Choice | None:
    """The backend of a test, as a parameter; None where pytest made no parameters for the test."""
    return getattr(request, "param", None)


@pytest.fixture(scope="session")
def _celery_backends_run(request: pytest.FixtureRequest) -> Iterator[Run | None]:
    """The run, whose services end with the session; None where no test got parameters."""
    from .errors import BackendsError

    run = request.config.stash.get(RUN, None)
    yield run
    if run is None:
        return
    with told():
        try:
            run.close()
        except BackendsError as error:
            # the session ends by Ctrl-C: an error now would take the place of its summary
            if request.session.exitstatus != pytest.ExitCode.INTERRUPTED:
                raise
            run.said_at_end.append(str(error))


@pytest.fixture
def result_backend(
    request: pytest.FixtureRequest,
    _celery_backends_run: Run | None,
    _celery_backend: Choice | None,
    celery_backends_app: Any,
    celery_backends_settings: Mapping[str, Any],
) -> Iterator[ResultBackend]:
    """The result backend of this test: what is stored, and the assertions."""
    from .apps import given_app
    from .failures import capture
    from .given_settings import given_settings
    from .neighbours import RunNeighbours
    from .result_backend import ResultBackend
    from .result_service import ResultService

    run, choice = _celery_backends_run, _celery_backend
    if run is None or choice is None:
        # told here: what fails in a session's fixture fails in the same words in later tests
        from .activation import without_parameters

        pytest.fail(without_parameters(request.node), pytrace=False)
    with told(request.node):
        app = given_app(celery_backends_app)
        settings_on = partial(
            given_settings,
            request.node,
            app,
            of_fixture=celery_backends_settings,
            underneath=request.node.stash.get(UNDERNEATH, {}),
        )
        with run.lease(choice, app, settings_on(choice)) as lease:
            request.node.stash[LEASE] = lease
            request.node.stash[SERVER] = str(lease.service)
            service = ResultService(lease.service, run.pool.logs)
            request.node.user_properties.append(("celery_backend", f"{choice}: {lease.service}"))
            neighbours = RunNeighbours(run, app, settings_on)
            yield ResultBackend(lease, run.leases, service, neighbours)
            capture(request.node)


@pytest.fixture
def result_app(request: pytest.FixtureRequest, result_backend: ResultBackend) -> Any:
    """The app under test, rewired to this test's backend."""
    return request.node.stash[LEASE].app


@pytest.fixture
def result_worker(request: pytest.FixtureRequest, result_backend: ResultBackend) -> ResultWorker:
    """The running in-process worker of this test."""
    from .result_worker import ResultWorker

    return ResultWorker(request.node.stash[LEASE])


@pytest.fixture
def result_service(result_backend: ResultBackend) -> ResultService:
    """A read-only view of the server that this test runs on."""
    return result_backend.service
