"""The app under test, by its path."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from celery import Celery, _state
from celery.local import Proxy

from pytest_celery_backends.apps import fresh_app, given_app, load_app
from pytest_celery_backends.errors import AppNotFound

SHOP = """
from celery import Celery
app = Celery("shop", set_as_current=False)
class Holder:
    app = app
settings = {"a": 1}
"""


@pytest.fixture(autouse=True)
def _modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules ``shop_of_a_test``, ``broken_shop``, ``leaving_shop`` and ``wordy_shop``, gone after the test."""
    (tmp_path / "shop_of_a_test.py").write_text(SHOP)
    (tmp_path / "broken_shop.py").write_text("import no_such_module_anywhere\n")
    (tmp_path / "leaving_shop.py").write_text("import sys\nsys.exit(3)\n")
    (tmp_path / "wordy_shop.py").write_text("raise RuntimeError('no settings\\nsecond line')\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("shop_of_a_test", "broken_shop", "leaving_shop", "wordy_shop"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def said(path: str) -> list[str]:
    with pytest.raises(AppNotFound) as raised:
        load_app(path)
    return str(raised.value).splitlines()


def test_a_path_leads_to_the_app() -> None:
    app = load_app("shop_of_a_test:app")
    assert isinstance(app, Celery)
    assert app.main == "shop"


def test_an_attribute_may_be_dotted() -> None:
    assert load_app("shop_of_a_test:Holder.app") is load_app("shop_of_a_test:app")


@pytest.mark.parametrize("path", ["shop_of_a_test", "shop_of_a_test.app", "shop_of_a_test:", ":app"])
def test_a_path_of_another_form_is_refused(path: str) -> None:
    assert said(path) == [
        f"celery_backends_app = {path!r} leads to no Celery app",
        "  it is not of the form module:attribute",
        "  type: --celery-backends-app=shop.celery:app",
    ]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (
            "no_such_shop.celery:app",
            "importing no_such_shop.celery raised ModuleNotFoundError: No module named 'no_such_shop'",
        ),
        (
            "broken_shop:app",
            "importing broken_shop raised ModuleNotFoundError: No module named 'no_such_module_anywhere'",
        ),
        ("leaving_shop:app", "importing leaving_shop raised SystemExit: 3"),
        ("wordy_shop:app", "importing wordy_shop raised RuntimeError: no settings"),
    ],
)
def test_a_path_that_leads_nowhere_is_told_with_the_place_where_it_ends(path: str, why: str) -> None:
    assert said(path) == [
        f"celery_backends_app = {path!r} leads to no Celery app",
        f"  {why}",
        "  type: --celery-backends-app=shop.celery:app",
    ]


def test_the_error_of_the_users_module_is_kept_as_the_cause() -> None:
    with pytest.raises(AppNotFound) as raised:
        load_app("wordy_shop:app")
    assert isinstance(raised.value.__cause__, RuntimeError)


def test_a_fresh_app_leaves_the_current_app_alone() -> None:
    before = _state._tls.current_app
    assert isinstance(fresh_app(), Celery)
    assert _state._tls.current_app is before


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("shop_of_a_test:application", "shop_of_a_test has no attribute 'application'"),
        ("shop_of_a_test:Holder.other", "shop_of_a_test has no attribute 'Holder.other'"),
        ("shop_of_a_test:settings", "it is a dict, not a Celery app"),
        ("shop_of_a_test:Holder", "it is a type, not a Celery app"),
    ],
)
def test_a_path_that_misses_the_app_is_told_where_it_is(path: str, why: str) -> None:
    assert said(path) == [
        f"celery_backends_app = {path!r} leads to no Celery app",
        f"  {why}",
        "  type: --celery-backends-app=shop_of_a_test:app",
    ]


def test_a_proxy_stands_for_the_app_behind_it() -> None:
    app = Celery("behind", set_as_current=False)
    proxy = Proxy(lambda: app)
    assert isinstance(proxy, Celery)
    for found in (given_app(proxy), given_app(app)):
        assert type(found) is Celery
        assert found is app
    assert type(load_app("celery:current_app")) is Celery


@pytest.mark.parametrize(
    ("value", "gives", "remedy"),
    [
        (None, "None", "from shop.celery import app; return app"),
        (5, "something of type int", "from shop.celery import app; return app"),
        (lambda: None, "something of type function", "from shop.celery import app; return app"),
        (
            "shop_of_a_test:Holder.app",
            "something of type str",
            "from shop_of_a_test import Holder; return Holder.app",
        ),
        ("shop_of_a_test", "something of type str", "from shop.celery import app; return app"),
        ("the module", "something of type module", "from shop_of_a_test import app; return app"),
    ],
)
def test_a_fixture_that_gives_no_app_is_told_what_to_return(value: object, gives: str, remedy: str) -> None:
    if value == "the module":
        value = importlib.import_module("shop_of_a_test")
    with pytest.raises(AppNotFound) as raised:
        given_app(value)
    assert str(raised.value).splitlines() == [
        "the fixture celery_backends_app leads to no Celery app",
        f"  it gives {gives}, not a Celery app",
        f"  type: {remedy}",
    ]
