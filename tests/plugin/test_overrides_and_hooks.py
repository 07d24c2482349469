"""What users may override and add: the app, settings, backends; who wins where several say something."""

from __future__ import annotations

import pytest
from running import RunTests

from pytest_celery_backends.options import OPTIONS

ADDS = "    assert add.delay(2, 2).get(timeout=5) == 4\n"


@pytest.fixture(autouse=True)
def _alone(run_tests: RunTests, monkeypatch: pytest.MonkeyPatch) -> None:
    """No options but the test's, and no plugin but ours: loading all takes longer than most of these runs."""
    for option in OPTIONS:
        monkeypatch.delenv(option.variable, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p celery_backends")


SHOP = """
from celery import Celery

app = Celery("shop", broker="redis://production.invalid:1/0", backend="redis://production.invalid:1/1")
app.conf.result_expires = 123

@app.task
def price():
    return 42
"""

USES_THE_SHOP = """
from shop import app, price

@pytest.mark.backends("memory", "sqlite")
def test_price(result_app, result_backend):
    assert result_app is app
    assert price.delay().get(timeout=5) == 42
    assert app.conf.result_backend == result_backend.url
    assert app.conf.result_expires == 123

def test_afterwards():
    assert app.conf.broker_url == "redis://production.invalid:1/0"
    assert app.conf.result_backend == "redis://production.invalid:1/1"
"""


MADE_TOO_EARLY = """
from celery.result import AsyncResult
from shop import app

backend, pool, result = app.backend, app.producer_pool, AsyncResult("made-at-import", app=app)

@pytest.fixture(scope="{scope}")
def early():
    return app.conf.broker_url

class TestIt:
    @pytest.mark.backends("memory")
    def test_one(self, early):
        assert early == "redis://production.invalid:1/0"
        for held in (backend, result.backend):
            assert held.as_uri() == "redis://production.invalid:1/1"
        assert pool.connections.connection.hostname == "production.invalid"
        assert app.conf.broker_url != early
        assert AsyncResult("made-here", app=app).backend is app.backend is not backend
"""


@pytest.mark.parametrize("scope", ["class", "module", "session"])
def test_what_is_made_before_a_test_is_wired_leads_to_production(
    run_tests: RunTests, pytester: pytest.Pytester, scope: str
) -> None:
    pytester.makepyfile(shop=SHOP)
    pytester.makeini("[pytest]\ncelery_backends_app = shop:app\n")
    run_tests(MADE_TOO_EARLY.format(scope=scope)).assert_outcomes(passed=1)


def test_the_app_comes_from_the_ini_file(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(shop=SHOP)
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\ncelery_backends_app = "shop:app"\n')
    run_tests(USES_THE_SHOP).assert_outcomes(passed=3)


def test_a_fixture_in_a_conftest_wins_over_the_ini_file(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(shop=SHOP)
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\ncelery_backends_app = "no_such_shop:app"\n')
    pytester.makeconftest(
        "import pytest\n@pytest.fixture(scope='session')\n"
        "def celery_backends_app():\n    from shop import app\n    return app\n"
    )
    run_tests(USES_THE_SHOP).assert_outcomes(passed=3)


CURRENT = """
from celery import current_app, shared_task
from shop import app

@pytest.mark.backends("memory", "sqlite")
def test_price(result_app, result_backend):
    assert current_app._get_current_object() is result_app is app
    assert current_app.conf.result_backend == result_backend.url
    assert add.delay(2, 2).get(timeout=5) == 4
"""


@pytest.mark.parametrize("how", ["fixture", "command line"])
def test_celerys_proxy_of_the_current_app_stands_for_that_app(
    run_tests: RunTests, pytester: pytest.Pytester, how: str
) -> None:
    pytester.makepyfile(shop=SHOP)
    if how == "fixture":
        pytester.makeconftest(
            "import pytest\n@pytest.fixture(scope='session')\n"
            "def celery_backends_app():\n    from celery import current_app\n    return current_app\n"
        )
    args = ["--celery-backends-app=celery:current_app"] if how == "command line" else []
    run_tests(CURRENT, *args).assert_outcomes(passed=2)


def test_an_app_fixture_of_a_module_is_for_that_module(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(shop=SHOP)
    run_tests(
        "from celery import Celery\n"
        "class TestShop:\n"
        "    @pytest.fixture(scope='session')\n"
        "    def celery_backends_app(self):\n        from shop import app\n        return app\n"
        '    @pytest.mark.backends("memory")\n'
        "    def test_in_class(self, result_app):\n        assert result_app.main == 'shop'\n"
        '@pytest.mark.backends("memory")\n'
        "def test_outside(result_app):\n    assert result_app.main == 'tests'\n"
    ).assert_outcomes(passed=2)


SETTINGS = """
import pytest

@pytest.fixture(scope="session")
def celery_backends_settings():
    return {"result_expires": 1, "timezone": "Europe/Paris", "task_default_queue": "fixture",
            "result_backend_transport_options": {"max_retries": 7}}

def pytest_celery_backends_settings(settings, backend):
    if settings.get("result_expires") == 5:
        settings["result_expires"] = 6
    settings["worker_hostname_of_a_test"] = backend
    assert "broker_url" not in settings  # where results and tasks go is not for a hook to see
"""

SETTINGS_TESTS = """
pytestmark = [pytest.mark.backends("memory"), pytest.mark.celery(result_expires=2, task_default_queue="module")]

def test_module_wins_over_fixture(result_app):
    assert result_app.conf.result_expires == 2
    assert result_app.conf.task_default_queue == "module"
    assert result_app.conf.timezone == "Europe/Paris"

@pytest.mark.celery(result_expires=3)
class TestClass:
    def test_class_wins_over_module(self, result_app):
        assert result_app.conf.result_expires == 3
        assert result_app.conf.task_default_queue == "module"

    @pytest.mark.celery(result_expires=4)
    def test_function_wins_over_class(self, result_app):
        assert result_app.conf.result_expires == 4

@pytest.mark.celery(result_expires=5)
def test_hook_has_the_last_word_and_knows_the_backend(result_app):
    assert result_app.conf.result_expires == 6
    assert result_app.conf.worker_hostname_of_a_test == "memory"

@pytest.mark.backends("redis", "memory")
@pytest.mark.celery(result_backend_transport_options={"retry_policy": {"max_retries": 9}})
def test_dictionaries_are_merged(result_app, result_backend):
    options = result_app.conf.result_backend_transport_options
    assert options["global_keyprefix"].startswith("pcb_"), "ours stays"
    assert options["retry_policy"] == {"max_retries": 9}
    assert add.delay(2, 2).get(timeout=5) == 4
    assert [each.key.startswith(options["global_keyprefix"]) for each in result_backend.stored()] == [True]

def test_fixture_dictionary_is_merged(result_app):
    options = result_app.conf.result_backend_transport_options
    assert sorted(options) == ["global_keyprefix", "max_retries"]

def test_handle_tells_all_of_them(result_backend):
    assert result_backend.settings["result_expires"] == 2
    assert result_backend.settings["result_backend"] == result_backend.url

@pytest.mark.celery(task_track_started=True)
def test_tasks_obey(result_backend):
    result = add.delay(1, 1)
    result_backend.assert_transitions(result, "STARTED", "SUCCESS")
"""


def test_the_closest_setting_wins_the_hook_comes_last_and_dictionaries_are_merged(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(SETTINGS)
    run_tests(SETTINGS_TESTS).assert_outcomes(passed=9)


DATABASE = """
import sqlite3
from celery import Celery

def to_production(*args):
    raise AssertionError("asked for production")

@pytest.fixture(scope="session")
def celery_backends_app():
    app = Celery("shop", backend="db+postgresql://production.invalid/shop")
    app.conf.database_engine_options = {
        "connect_args": {"sslmode": "require", "connect_timeout": 3}, "creator": to_production, "echo": False,
    }
    yield app
    assert sorted(app.conf.database_engine_options) == ["connect_args", "creator", "echo"]

@pytest.mark.backends("sqlite", "postgres")
def test_productions_way_to_connect_is_left_out(result_app):
    assert result_app.conf.database_engine_options == {"echo": False}
    assert add.delay(2, 2).get(timeout=5) == 4

class Connection(sqlite3.Connection):
    made = 0

    def __init__(self, *args, **kwargs):
        Connection.made += 1
        super().__init__(*args, **kwargs)

@pytest.mark.backends("sqlite")
@pytest.mark.celery(database_engine_options={"connect_args": {"factory": Connection}})
def test_a_test_may_set_its_own():
    assert add.delay(2, 2).get(timeout=5) == 4
    assert Connection.made
"""


def test_a_database_is_reached_without_what_production_needs_to_connect(run_tests: RunTests) -> None:
    run_tests(DATABASE).assert_outcomes(passed=3)


PLACES = """
@pytest.mark.backends("memory")
@pytest.mark.celery(result_backend_transport_options={"global_keyprefix": "prod:"})
def test_prefix():
    pass

@pytest.mark.backends("sqlite")
@pytest.mark.celery(database_table_schemas={"task": "prod"})
def test_schema():
    pass

@pytest.mark.backends("redis")
@pytest.mark.celery(CELERY_REDIS_HOST="prod")
def test_host():
    pass
"""


def test_settings_that_lead_out_of_a_tests_place_are_refused(run_tests: RunTests) -> None:
    result = run_tests(PLACES)
    result.assert_outcomes(errors=3)
    for name, backend in (
        ("global_keyprefix of result_backend_transport_options", "memory"),
        ("database_table_schemas", "sqlite"),
        ("redis_host", "redis"),
    ):
        first = f"{name} among a test's settings would lead it out of its place on {backend}"
        start = result.outlines.index(first)
        assert result.outlines[start : start + 3] == [
            first,
            "  each test has a place of its own, which the backend's settings name",
            f'  type: @pytest.mark.backends("{backend}")  # and no {name} in marker, fixture or hook',
        ]


REGISTERS = """
from dataclasses import replace

def pytest_celery_backends_register(registry):
    registry.register(replace(registry.get("sqlite"), name="acme", title="Acme"))
"""


def test_a_conftest_can_add_a_backend(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(REGISTERS)
    result = run_tests(
        '@pytest.mark.backends("acme", "sqlite")\ndef test_add(result_backend):\n'
        + ADDS
        + '@pytest.mark.backends()\ndef test_all(result_backend):\n    assert result_backend.name == "acme"\n',
        "-v",
        "--celery-backends=acme",
    )
    result.assert_outcomes(passed=2, deselected=1)
    result.stdout.fnmatch_lines_random(
        [
            "celery backend acme: SQLite * (embedded)",
            "test_it.py::test_add?acme? PASSED*",
            "test_it.py::test_all?acme? PASSED*",
        ]
    )


def test_a_package_can_declare_a_backend(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        celery_acme="from dataclasses import replace\n"
        "from pytest_celery_backends.backends.memory import SPEC\n"
        'ACME = replace(SPEC, name="acme", title="Acme")\n'
    )
    dist = pytester.mkdir("celery_acme-1.0.dist-info")
    (dist / "METADATA").write_text("Metadata-Version: 2.1\nName: celery-acme\nVersion: 1.0\n")
    (dist / "entry_points.txt").write_text("[pytest_celery_backends]\nacme = celery_acme:ACME\n")
    result = run_tests('@pytest.mark.backends("acme")\ndef test_add():\n' + ADDS, "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["test_it.py::test_add?acme? PASSED*"])
    pytester.syspathinsert()
    listed = pytester.runpytest_inprocess("--celery-backends-list", "--celery-backends-provider=embedded")
    listed.stdout.fnmatch_lines(["  acme *cache+memory:// *(embedded)*"])
