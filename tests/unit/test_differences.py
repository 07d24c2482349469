"""The mark of what a backend is known to do otherwise: what it lets pass, and what it does not."""

from __future__ import annotations

import pytest

CONFTEST = """
import pytest
from differences import MARK, expect

def pytest_configure(config):
    config.addinivalue_line("markers", MARK)

@pytest.fixture(autouse=True)
def known_differences(request):
    expect(request, "redis")
"""


def run(pytester: pytest.Pytester, mark: str, body: str) -> pytest.RunResult:
    """One test with one mark, on redis."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(
        test_it=f"import pytest\n\n@pytest.mark.differs({mark})\ndef test_row():\n    {body}\n"
    )
    return pytester.runpytest("-rxXfE", "-p", "no:cacheprovider", "-p", "no:asyncio", "--strict-markers")


def test_what_is_known_is_expected_and_said(pytester: pytest.Pytester) -> None:
    result = run(pytester, '"redis", why="the row went", issue="celery#1"', "assert 1 == 2")
    result.assert_outcomes(xfailed=1)
    result.stdout.fnmatch_lines(["XFAIL test_it.py::test_row - the row went (celery#1)*"])


@pytest.mark.parametrize(
    ("mark", "body", "line"),
    [
        ("", "{}['gone']", "E *KeyError: 'gone'"),
        (", raises=KeyError", "assert 1 == 2", "E *assert 1 == 2"),
        (", raises=(KeyError, IndexError)", "open('gone')", "E *FileNotFoundError: *'gone'"),
        ("", "pytest.fail('DID NOT RAISE')", "E *Failed: DID NOT RAISE"),
    ],
)
def test_what_fails_for_another_reason_fails(
    pytester: pytest.Pytester, mark: str, body: str, line: str
) -> None:
    result = run(pytester, f'"redis", why="the row went"{mark}', body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([line])


@pytest.mark.parametrize(
    ("raises", "body"),
    [
        ("KeyError", "{}['gone']"),
        ("LookupError", "{}['gone']"),
        ("(KeyError, IndexError)", "[][0]"),
        ("pytest.fail.Exception", "pytest.fail('DID NOT RAISE')"),
    ],
)
def test_what_raises_as_it_is_said_to_is_expected(pytester: pytest.Pytester, raises: str, body: str) -> None:
    run(pytester, f'"redis", why="the row went", raises={raises}', body).assert_outcomes(xfailed=1)


def test_what_no_longer_fails_fails(pytester: pytest.Pytester) -> None:
    result = run(pytester, '"redis", why="the row went"', "assert True")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([r"[[]XPASS(strict)[]] the row went"])


@pytest.mark.parametrize("mark", ['"memory"', '"redis", since=(99, 0)', '"redis", until=(5, 0)'])
def test_other_backends_and_other_celerys_are_not_excused(pytester: pytest.Pytester, mark: str) -> None:
    result = run(pytester, f'{mark}, why="the row went"', "assert 1 == 2")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *assert 1 == 2"])


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ('"redis"', "differs() missing 1 required keyword-only argument: 'why'"),
        (
            '"memory", why="it went", raise_=KeyError',
            "differs() got an unexpected keyword argument 'raise_'",
        ),
    ],
)
def test_a_mark_that_is_mistyped_is_an_error_on_every_backend(
    pytester: pytest.Pytester, mark: str, message: str
) -> None:
    result = run(pytester, mark, "assert 1 == 2")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"E *TypeError: {message}*"])
