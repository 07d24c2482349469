"""Passwords of URLs: never shown, whatever is in them, and there for those who use the URL."""

from __future__ import annotations

import pytest

from pytest_celery_backends.masking import SecretUrl, compared, is_readable, masked, shown_masked


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:s3cret@h:6379/0", "redis://:***@h:6379/0"),
        ("redis://me:s3cr%2Ft@h/0", "redis://me:***@h/0"),
        ("redis://me:s3cr@t@h/0", "redis://me:***@h/0"),
        ("db+postgresql://me:s3cret@a:1,b:2/db?x=y@z", "db+postgresql://me:***@a:1,b:2/db?x=y@z"),
        ("postgresql://h:5432/db?user=a@b&password=s3cret", "postgresql://h:5432/db?user=a@b&password=***"),
        ("rediss://h/0?ssl_password=s3cret&a=b", "rediss://h/0?ssl_password=***&a=b"),
        ("redis://:s3cret@[::1]:6379/0", "redis://:***@[::1]:6379/0"),
    ],
)
def test_a_password_is_three_stars(url: str, shown: str) -> None:
    assert (masked(url), is_readable(url)) == (shown, True)


@pytest.mark.parametrize(
    "password", ["pa[ss", "pa]ss", "pa/ss", "pa#ss", "pa?ss", "12/34", "p@a/s@s", "pa?s=s", "a:b/c"]
)
@pytest.mark.parametrize("user", ["", "me"])
def test_a_password_that_is_not_encoded_is_not_shown_either(user: str, password: str) -> None:
    url = f"redis://{user}:{password}@h:6379/0"
    assert masked(url) == f"redis://{user}:***@h:6379/0"
    assert not is_readable(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "memory",
        "rpc://",
        "redis://localhost:6379/0",
        "redis://me@localhost:6379/0",
        "redis://[::1]:6379/0?client_name=a@b",
        "sqlite:////tmp/a:b@c/results.db",
        "in-process://localhost/run1",
    ],
)
def test_a_url_without_a_password_is_shown_as_it_is(url: str) -> None:
    assert (masked(url), is_readable(url)) == (url, True)


def test_a_secret_url_equals_the_real_one_and_prints_masked_only_where_it_is_looked_at() -> None:
    real = "redis://:s3cret@h/0"
    url = SecretUrl(real)
    assert (url == real, hash(url) == hash(real), str(url), f"{url}") == (True, True, real, real)
    assert (repr(url), repr({"url": url})) == ("'redis://:***@h/0'", "{'url': 'redis://:***@h/0'}")


FAILS = """
from pytest_celery_backends.masking import SecretUrl

URL = SecretUrl("redis://:s3cret@localhost:6379/0")

def test_equal():
    assert URL == "something else"

def test_in():
    assert "something else" in URL

def test_settings():
    assert {"result_backend": URL} == {"result_backend": "something else"}
"""


def test_an_assertion_that_fails_does_not_show_the_password(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    # the source, which has it, is not shown
    pytester.makepyfile(FAILS.replace("s3cret", 's3" "cret'))
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-vv")
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["E*+ redis://:[*][*][*]@localhost:6379/0"])
    assert "s3cret" not in result.stdout.str()


def test_secrets_in_settings_are_used_as_they_are_and_shown_as_stars_at_any_depth() -> None:
    real = {
        "result_backend": "redis://:s3cret@h/0",
        "s3_secret_access_key": "s3cret",
        "cassandra_auth_kwargs": {"username": "me", "password": "s3cret"},
        "hosts": [("redis://:s3cret@a/0", 1), "redis://:s3cret@b/0"],
        "redis_password": None,
        "result_expires": 60,
    }
    shown = shown_masked(real)
    assert shown == real
    assert "s3cret" not in repr(shown)
    assert "'username': 'me'" in repr(shown)


def test_two_urls_that_differ_in_their_passwords_are_told_apart_without_them() -> None:
    one, other = SecretUrl("redis://:s3cret@h/0"), "redis://:another@h/0"
    assert compared("==", one, other) == [
        "'redis://:***@h/0' == 'redis://:***@h/0'",
        "",
        "they differ in what is not shown",
    ]
