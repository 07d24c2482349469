"""The marker: what it runs, how it looks, what it composes with."""

from __future__ import annotations

import pytest
from running import RunTests

from pytest_celery_backends.registry import Registry

ADDS = "    assert add.delay(2, 2).get(timeout=5) == 4\n"


def ids(result: pytest.RunResult) -> list[str]:
    """The ids of tests that ran with -v, in order."""
    ran = [line.split() for line in result.outlines if line.startswith("test_it.py::")]
    return [words[0].partition("::")[2] for words in ran if words[1] in ("PASSED", "FAILED", "SKIPPED")]


def test_runs_a_test_once_on_each_backend_in_the_order_written(run_tests: RunTests) -> None:
    result = run_tests('@pytest.mark.backends("sqlite", "memory")\ndef test_add():\n' + ADDS, "-v")
    result.assert_outcomes(passed=2)
    assert ids(result) == ["test_add[sqlite]", "test_add[memory]"]


def test_needs_no_fixture_on_a_class_or_a_module(run_tests: RunTests) -> None:
    result = run_tests(
        'pytestmark = pytest.mark.backends("memory")\n'
        "def test_one():\n" + ADDS + "class TestTwo:\n    def test_two(self):\n    " + ADDS,
        "-v",
    )
    result.assert_outcomes(passed=2)
    assert ids(result) == ["test_one[memory]", "TestTwo::test_two[memory]"]


def test_the_closest_marker_wins(run_tests: RunTests) -> None:
    result = run_tests(
        'pytestmark = pytest.mark.backends("memory", "sqlite")\n'
        '@pytest.mark.backends("filesystem")\ndef test_add():\n' + ADDS,
        "-v",
    )
    assert ids(result) == ["test_add[filesystem]"]


SEVERAL = """
both = [pytest.mark.backends("memory"), pytest.mark.backends("sqlite")]
pytestmark = [pytest.mark.backends("sqlite"), pytest.mark.backends("memory")]

def test_module(): pass

@pytest.mark.backends("memory", "filesystem")
@pytest.mark.backends("sqlite", "memory")
def test_function(): pass

@pytest.mark.backends("memory")
@pytest.mark.backends()
def test_all(): pass

@pytest.mark.backends("filesystem")
@pytest.mark.backends("memory")
class TestDecorated:
    def test_one(self): pass

class TestList:
    pytestmark = both

    def test_one(self): pass

@pytest.mark.backends("sqlite")
class TestOwn(TestDecorated):
    pass

class TestInherits(TestDecorated):
    pass
"""


#: Before pytest reorders them by backend.
PRINTS = """
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    print(*(f"made {item.nodeid}" for item in items), sep="\\n")
"""


def test_marks_on_one_thing_add_up_as_they_are_written_and_replace_those_further_out(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(PRINTS)
    result = run_tests(SEVERAL, "--collect-only", "-s", "--celery-backends=memory,sqlite,filesystem")
    made = [line for line in result.outlines if line.startswith("made ")]
    assert [line.removeprefix("made test_it.py::") for line in made] == [
        *("test_module[sqlite]", "test_module[memory]"),
        *("test_function[memory]", "test_function[filesystem]", "test_function[sqlite]"),
        *("test_all[memory]", "test_all[sqlite]", "test_all[filesystem]"),
        *("TestDecorated::test_one[filesystem]", "TestDecorated::test_one[memory]"),
        *("TestList::test_one[memory]", "TestList::test_one[sqlite]"),
        "TestOwn::test_one[sqlite]",
        *("TestInherits::test_one[filesystem]", "TestInherits::test_one[memory]"),
    ]


def test_a_name_given_twice_runs_once(run_tests: RunTests) -> None:
    result = run_tests('@pytest.mark.backends("memory", "memory")\ndef test_add():\n' + ADDS, "-v")
    assert ids(result) == ["test_add[memory]"]


def test_no_names_means_every_selected_backend(run_tests: RunTests) -> None:
    result = run_tests(
        "@pytest.mark.backends()\ndef test_add():\n" + ADDS, "-v", "--celery-backends=rpc-memory,memory"
    )
    assert ids(result) == ["test_add[rpc-memory]", "test_add[memory]"]


def test_a_test_that_asks_for_the_fixture_without_marker_runs_on_sqlite(run_tests: RunTests) -> None:
    result = run_tests("def test_add(result_backend):\n" + ADDS, "-v")
    assert ids(result) == ["test_add[sqlite]"]


def test_composes_with_parametrize(run_tests: RunTests) -> None:
    result = run_tests(
        '@pytest.mark.parametrize("n", [1, 2])\n'
        '@pytest.mark.backends("memory", "filesystem")\n'
        "def test_add(n):\n    assert add.delay(n, n).get(timeout=5) == 2 * n\n",
        "-v",
    )
    result.assert_outcomes(passed=4)
    assert sorted(ids(result)) == [
        "test_add[filesystem-1]",
        "test_add[filesystem-2]",
        "test_add[memory-1]",
        "test_add[memory-2]",
    ]


def test_k_selects_by_backend(run_tests: RunTests) -> None:
    result = run_tests(
        '@pytest.mark.backends("memory", "filesystem")\ndef test_add():\n' + ADDS, "-v", "-k", "memory"
    )
    assert ids(result) == ["test_add[memory]"]
    result.assert_outcomes(passed=1, deselected=1)


def test_lf_runs_only_the_backend_that_failed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        'import pytest\n@pytest.mark.backends("memory", "sqlite")\n'
        'def test_one(result_backend):\n    assert result_backend.name == "memory"\n'
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1, failed=1)
    again = pytester.runpytest_subprocess("--lf", "-v")
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["*::test_one?sqlite? FAILED*"])


def test_other_backends_than_selected_are_deselected(run_tests: RunTests) -> None:
    result = run_tests(
        '@pytest.mark.backends("memory", "sqlite")\ndef test_add():\n' + ADDS, "--celery-backends=sqlite"
    )
    result.assert_outcomes(passed=1, deselected=1)


def test_an_unknown_name_is_a_collection_error_with_a_guess(run_tests: RunTests) -> None:
    result = run_tests('@pytest.mark.backends("reddis")\ndef test_add():\n' + ADDS)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "no backend is called 'reddis': did you mean 'redis'?",
            f"  known: {', '.join(Registry().names)}",
            '  type: @pytest.mark.backends("redis")',
        ],
        consecutive=True,
    )


def test_wrong_arguments_show_the_signature(run_tests: RunTests) -> None:
    result = run_tests('@pytest.mark.backends("redis", version=7)\ndef test_add():\n' + ADDS)
    result.stdout.fnmatch_lines(
        [
            "@pytest.mark.backends('redis', version=7): got an unexpected keyword argument 'version'",
            "  it takes: backends(?names): run the test once on each *",
            '  type: @pytest.mark.backends("redis", "postgres")',
        ],
        consecutive=True,
    )


@pytest.mark.parametrize("place", ["class", "method", "module"])
def test_a_test_case_cannot_be_parametrized_and_says_so(run_tests: RunTests, place: str) -> None:
    mark = '@pytest.mark.backends("memory")\n'
    result = run_tests(
        "import unittest\n"
        + ('pytestmark = pytest.mark.backends("memory")\n' if place == "module" else "")
        + (mark if place == "class" else "")
        + "class TestIt(unittest.TestCase):\n"
        + (f"    {mark}" if place == "method" else "")
        + "    def test_add(self):\n        pass\n"
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "TestIt is a unittest.TestCase, whose methods pytest cannot parametrize,",
            "so @pytest.mark.backends('memory') cannot run them on each backend",
            "  tried: pytest calls no pytest_generate_tests for methods of a TestCase",
            "  way out: a plain class keeps its methods, and may use fixtures",
            "  type: class TestIt:",
        ],
        consecutive=True,
    )


MIXINS = {
    "method": """
class Mixin:
    @pytest.mark.backends("memory")
    def test_add(self):
        pass
""",
    "class": """
@pytest.mark.backends("memory")
class Mixin:
    def test_add(self):
        pass
""",
}


@pytest.mark.parametrize("place", MIXINS)
def test_a_marker_that_a_test_case_inherits_is_told_as_well(run_tests: RunTests, place: str) -> None:
    result = run_tests(
        f"import unittest\n{MIXINS[place]}\n@pytest.mark.usefixtures()\nclass TestIt(Mixin, unittest.TestCase):\n"
        "    pass\n"
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "TestIt is a unittest.TestCase, whose methods pytest cannot parametrize,",
            "so @pytest.mark.backends('memory') cannot run them on each backend",
        ],
        consecutive=True,
    )


def test_a_test_case_may_replace_a_marked_method_that_it_inherits(run_tests: RunTests) -> None:
    run_tests(
        f"import unittest\n{MIXINS['method']}\nclass TestIt(Mixin, unittest.TestCase):\n"
        "    def test_add(self):\n        pass\n"
    ).assert_outcomes(passed=1)


FIXTURE_IN_A_TEST_CASE = {
    "usefixtures": """
class TestIt(unittest.TestCase):
    @pytest.mark.usefixtures("result_backend")
    def test_add(self):
        pass
""",
    "autouse": """
class TestIt(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def backend(self, result_backend):
        self.backend = result_backend

    def test_add(self):
        pass
""",
    "getfixturevalue": """
class TestIt(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def backend(self, request):
        self.backend = request.getfixturevalue("result_backend")

    def test_add(self):
        pass
""",
}
ANOTHER = """
class TestOther(unittest.TestCase):
    @pytest.mark.usefixtures("result_backend")
    def test_other(self):
        pass

@pytest.mark.backends("memory")
def test_one():
    pass
"""


@pytest.mark.parametrize("others", ["", ANOTHER], ids=["alone", "beside others"])
@pytest.mark.parametrize("how", FIXTURE_IN_A_TEST_CASE)
def test_a_test_case_that_asks_for_the_fixture_is_told_as_well(
    run_tests: RunTests, how: str, others: str
) -> None:
    result = run_tests("import unittest\n" + FIXTURE_IN_A_TEST_CASE[how] + others)
    result.assert_outcomes(errors=2 if others else 1, passed=1 if others else 0)
    for name in ["TestIt", "TestOther"] if others else ["TestIt"]:
        result.stdout.fnmatch_lines(
            [
                f"{name} is a unittest.TestCase, whose methods pytest cannot parametrize,",
                "so result_backend cannot run them on each backend",
                "  tried: pytest calls no pytest_generate_tests for methods of a TestCase",
                "  way out: a plain class keeps its methods, and may use fixtures",
                f"  type: class {name}:",
            ],
            consecutive=True,
        )


def test_the_fixture_cannot_be_asked_for_by_a_test_that_runs_already(run_tests: RunTests) -> None:
    result = run_tests("def test_add(request):\n    request.getfixturevalue('result_backend')\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "result_backend was asked for while the test was running already",
            '  type: @pytest.mark.backends("redis")  # on the test',
        ],
        consecutive=True,
    )


def test_a_test_case_without_marker_is_left_alone(run_tests: RunTests) -> None:
    run_tests(
        "import unittest\nclass TestIt(unittest.TestCase):\n    def test_add(self):\n        pass\n"
    ).assert_outcomes(passed=1)


def test_composes_with_pytest_asyncio(run_tests: RunTests) -> None:
    run_tests(
        '@pytest.mark.asyncio\n@pytest.mark.backends("memory", "sqlite")\nasync def test_add():\n' + ADDS,
        "-W",
        "ignore::pytest.PytestDeprecationWarning",
        autoload=True,
    ).assert_outcomes(passed=2)


def test_composes_with_anyio(run_tests: RunTests) -> None:
    run_tests(
        '@pytest.fixture\ndef anyio_backend():\n    return "asyncio"\n'
        '@pytest.mark.anyio\n@pytest.mark.backends("memory", "sqlite")\nasync def test_add():\n' + ADDS,
        autoload=True,
    ).assert_outcomes(passed=2)


def test_does_nothing_when_switched_off(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    pytester.makepyfile('import pytest\n@pytest.mark.backends("redis")\ndef test_it():\n    pass\n')
    result = pytester.runpytest_subprocess("-p", "no:celery_backends")
    result.assert_outcomes(passed=1, warnings=1)


@pytest.mark.parametrize("autoload", [True, False])
def test_loads_by_itself_or_by_name(run_tests: RunTests, autoload: bool) -> None:
    result = run_tests('@pytest.mark.backends("memory")\ndef test_add():\n' + ADDS, autoload=autoload)
    result.assert_outcomes(passed=1)


def test_composes_with_strict_mode(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    strict = "strict = true" if int(pytest.__version__.split(".")[0]) >= 9 else "addopts = --strict-markers"
    pytester.makeini(f"[pytest]\n{strict}\nxfail_strict = true\n")
    result = run_tests(
        '@pytest.mark.backends("memory", "sqlite")\n@pytest.mark.backend_requires("chords")\n'
        "@pytest.mark.celery(task_track_started=True)\ndef test_add():\n" + ADDS
    )
    result.assert_outcomes(passed=2)


def test_stands_beside_celerys_own_plugin(run_tests: RunTests) -> None:
    result = run_tests(
        '@pytest.mark.backends("memory")\n@pytest.mark.celery(task_track_started=True)\n'
        "def test_add(celery_config):\n" + ADDS,
        "-p",
        "celery.contrib.pytest",
        autoload=True,
    )
    result.assert_outcomes(passed=1)


def test_an_app_and_a_worker_of_celerys_own_plugin_work_in_the_same_test(run_tests: RunTests) -> None:
    run_tests(
        """
from celery.contrib.testing import tasks  # the worker is asked whether it answers

@pytest.fixture(scope="session")
def celery_config():
    return {"broker_url": "memory://", "result_backend": "cache+memory://"}

@pytest.mark.backends("memory")
def test_both(celery_app, celery_worker, result_backend, result_app):
    assert celery_app is not result_app
    theirs = celery_app.tasks["tasks.add"].delay(1, 1)
    assert theirs.get(timeout=5) == 2
    ours = result_app.tasks["tasks.add"].delay(2, 2)
    assert ours.get(timeout=5) == 4
    assert [stored.task_id for stored in result_backend.stored()] == [ours.id]
""",
        *("-p", "celery.contrib.pytest"),  # not pytest-celery, which has a celery_worker too
    ).assert_outcomes(passed=1)


def test_a_marker_of_another_plugin_is_left_alone_and_said_once(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeini("[pytest]\nmarkers = backends(names): array libraries\n")
    result = run_tests(
        '@pytest.mark.backends("numpy")\ndef test_one():\n    pass\n'
        '@pytest.mark.backends("torch")\ndef test_two():\n    pass\n'
    )
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*a 'backends' marker was left alone: another plugin declares one*"])


def test_markers_are_documented_with_their_signatures(pytester: pytest.Pytester) -> None:
    pytester.runpytest_subprocess("--markers").stdout.fnmatch_lines(
        [
            "@pytest.mark.backends(?names): run the test once on each of these result backends *",
            "@pytest.mark.backend_requires(?capabilities): report the test as UNSUPPORTED *",
        ]
    )


def test_fixtures_that_send_tasks_are_wired_too(run_tests: RunTests) -> None:
    run_tests(
        "@pytest.fixture(autouse=True)\ndef early():\n    return add.delay(1, 1)\n"
        '@pytest.mark.backends("memory")\ndef test_add(early):\n    assert early.get(timeout=5) == 2\n'
    ).assert_outcomes(passed=1)


def test_a_marker_that_comes_too_late_is_refused(run_tests: RunTests) -> None:
    result = run_tests(
        '@pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.backends("memory"))])\n'
        "def test_one(n):\n    pass\n"
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "@pytest.mark.backends('memory') came too late for test_one?1?: its parameters were chosen before",
            "  seen: the marker on a parameter (pytest.param(..., marks=...)), or added while collecting",
            "  without it the test would run on the servers of the app's own settings",
            "  type: @pytest.mark.backends('memory')  # on the function, the class or the module",
        ],
        consecutive=True,
    )


def test_a_misspelt_name_is_never_taken_for_another_plugins(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeini("[pytest]\nmarkers = backends(names): result backends\n")
    run_tests('@pytest.mark.backends("reddis")\ndef test_one():\n    pass\n').assert_outcomes(errors=1)


def test_a_test_case_with_a_single_mark_is_told_as_well(run_tests: RunTests) -> None:
    result = run_tests(
        "import unittest\nclass TestIt(unittest.TestCase):\n"
        '    pytestmark = pytest.mark.backends("memory")\n    def test_add(self):\n        pass\n'
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["TestIt is a unittest.TestCase, whose methods pytest cannot parametrize,"])
