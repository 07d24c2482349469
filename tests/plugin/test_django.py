"""Django projects as users have them: their own databases and caches are not touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("django_celery_results")

SETTINGS = """
from pathlib import Path

BASE = Path(__file__).parent
SECRET_KEY = "not secret"
USE_TZ = {use_tz}
TIME_ZONE = "Asia/Tokyo"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"{app}]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": BASE / "production.sqlite3"}}}}
DATABASE_ROUTERS = ["shop.settings.ToDefault"]
CACHES = {{"default": {{"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": BASE / "cache"}}}}
CELERY_BROKER_URL = "redis://production.invalid"
CELERY_RESULT_BACKEND = "django-db"
CELERY_CACHE_BACKEND = "default"

class ToDefault:
    def db_for_read(self, model, **hints):
        return "default"
    db_for_write = db_for_read
"""
CELERY = """
import os
from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")

@app.task
def add(x, y):
    return x + y

@app.task
def total(numbers):
    return sum(numbers)

@app.task
def users():
    from django.contrib.auth.models import User
    return User.objects.count()
"""
TESTS = """
import pytest
from celery import chord, group
from shop.celery import add, total, users

@pytest.mark.backends("django-db", "django-cache")
def test_total(result_backend):
    assert chord((add.s(n, n) for n in range(4)), total.s())().get(timeout=5) == 12
    result = group(add.s(n, n) for n in range(2))()
    result.save()
    assert result.get(timeout=5) == [0, 2]
    assert [one.kind for one in result_backend.stored()].count("group") == 1

@pytest.mark.backends("django-db", "django-cache")
@pytest.mark.celery(result_expires=3600)
def test_expiry(result_backend):
    result = add.delay(1, 1)
    assert result.get(timeout=5) == 2
    result_backend.assert_expires(result, after=3600)
    result.forget()
    result_backend.assert_no_leftovers()

@pytest.mark.backends("django-db", "django-cache")
def test_pending(result_backend):
    # django-celery-results looks its engine up when it is asked twice
    assert [add.AsyncResult("nobody").state for _ in range(3)] == ["PENDING"] * 3
"""
AROUND = """
from django.core.cache import caches
from django.db import connections, router

@pytest.mark.backends("django-db")
def test_models_show_the_results_of_the_test():
    from django_celery_results.models import TaskResult
    assert TaskResult.objects.count() == 0
    result = add.delay(1, 1)
    result.get(timeout=5)
    assert TaskResult.objects.get(task_id=result.id).status == "SUCCESS"
    assert list(connections) == ["default"]

def test_between_tests_all_is_as_in_production():
    from django_celery_results.models import TaskResult
    assert router.db_for_read(TaskResult) == "default"
    assert add.app.conf.result_backend == "django-db"
    assert add.app.conf.cache_backend == "default"

@pytest.mark.backends("django-db", "django-cache")
def test_a_test_may_override_what_we_rely_on(result_backend):
    from django.test import override_settings
    here = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    with override_settings(DATABASE_ROUTERS=[], CACHES=here):
        assert add.delay(2, 2).get(timeout=5) == 4
        assert len(result_backend.stored()) == 1
    assert add.delay(2, 2).get(timeout=5) == 4
"""
PYTEST_DJANGO = """
@pytest.mark.backends("django-db", "django-cache")
@pytest.mark.django_db
def test_within_a_transaction_that_is_rolled_back(result_backend):
    from django.contrib.auth.models import User
    User.objects.create(username="anna")
    assert add.delay(1, 1).get(timeout=5) == 2
    assert User.objects.count() == 1

@pytest.mark.backends("django-db", "django-cache")
@pytest.mark.django_db(transaction=True)
def test_tasks_see_what_was_committed(result_backend, settings):
    from django.contrib.auth.models import User
    User.objects.create(username="anna")
    assert users.delay().get(timeout=5) == 1
"""
AFTERWARDS = """
def pytest_unconfigure():
    from django.core.cache import caches
    from django.db import connections, router
    from django_celery_results.managers import ResultManager
    print("aliases:", list(connections.settings), list(caches.settings), [type(one).__name__ for one in router.routers])
    print("engine:", ResultManager.current_engine.__qualname__)
"""
#: pytest-asyncio warns of a setting of its own.
INI = "[pytest]\npythonpath = .\nfilterwarnings = error\naddopts = -p no:asyncio\n"
PLAIN = """
from celery import Celery

app = Celery()

@app.task
def add(x, y):
    return x + y
"""

MakeProject = Callable[..., Callable[..., pytest.RunResult]]


@pytest.fixture
def make_project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> MakeProject:
    """Write a project and give what runs its tests."""
    for name in ("CI", "DJANGO_SETTINGS_MODULE", "PYTEST_CELERY_BACKENDS", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)

    def make(
        tests: str, *, use_tz: bool = True, app: str = ', "django_celery_results"', ini: str = ""
    ) -> Callable[..., pytest.RunResult]:
        pytester.mkpydir("shop")
        shop = pytester.path / "shop"
        (shop / "settings.py").write_text(SETTINGS.format(use_tz=use_tz, app=app), encoding="utf-8")
        (shop / "celery.py").write_text(CELERY, encoding="utf-8")
        pytester.makeini(f"{INI}celery_backends_app = shop.celery:app\n{ini}")
        pytester.makepyfile(test_it=tests)
        pytester.makeconftest(AFTERWARDS)

        def run(*args: str) -> pytest.RunResult:
            return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-s", *args, timeout=60)

        return run

    return make


def assert_untouched(project: Path) -> None:
    """Nobody has written there; Django makes a cache's empty directory when Celery's worker closes caches."""
    assert not list((project / "shop").glob("*.sqlite3*"))
    assert not list((project / "shop" / "cache").glob("*"))


@pytest.mark.parametrize("use_tz", [True, False])
def test_a_project_runs_on_both_and_its_own_database_and_cache_stay_as_they_are(
    use_tz: bool, make_project: MakeProject, pytester: pytest.Pytester
) -> None:
    result = make_project(TESTS + AROUND, use_tz=use_tz)("-p", "no:django")
    result.assert_outcomes(passed=10)
    result.stdout.fnmatch_lines(["aliases: ['default'] ['default'] ['ToDefault']"])
    result.stdout.fnmatch_lines(["engine: ResultManager.current_engine"])
    assert_untouched(pytester.path)


def test_pytest_django_neither_blocks_results_nor_rolls_them_back(
    make_project: MakeProject, pytester: pytest.Pytester
) -> None:
    pytest.importorskip("pytest_django")
    run = make_project(TESTS + PYTEST_DJANGO, ini="DJANGO_SETTINGS_MODULE = shop.settings\n")
    result = run()
    result.assert_outcomes(passed=10)
    result.stdout.fnmatch_lines(["aliases: ['default'] ['default'] ['ToDefault']"])
    assert_untouched(pytester.path)


def test_without_the_app_the_error_says_what_to_add(make_project: MakeProject) -> None:
    result = make_project(TESTS, app="")("-p", "no:django", "-k", "pending and django-db")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "the Django project has no app 'django_celery_results'",
            '  type: INSTALLED_APPS += [[]"django_celery_results"]  # in shop.settings',
        ]
    )


def test_a_project_without_django_needs_no_settings(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CI", "DJANGO_SETTINGS_MODULE", "PYTEST_CELERY_BACKENDS", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyfile(
        plain="from celery import Celery\napp = Celery()\n@app.task\ndef add(x, y):\n    return x + y\n"
    )
    pytester.makeini(
        "[pytest]\npythonpath = .\ncelery_backends_app = plain:app\nfilterwarnings = error\naddopts = -p no:asyncio\n"
    )
    pytester.makepyfile(
        """
        import pytest
        from plain import add

        @pytest.mark.backends("django-db", "django-cache")
        def test_add(result_backend):
            assert add.delay(1, 1).get(timeout=5) == 2
            assert len(result_backend.stored()) == 1
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", timeout=60)
    result.assert_outcomes(passed=2)
    assert not list(pytester.path.glob("*.sqlite*"))
