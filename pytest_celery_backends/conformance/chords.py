"""Whether a chord runs its body, and what the body is given."""

from __future__ import annotations

from celery import chord, group

from .. import ResultBackend, ResultWorker, check
from .limits import LIMIT, LONG
from .stored import comes_to, last_state_of
from .tasks import CheckTasks


class TestChords:
    """userguide/canvas, Chords: https://docs.celeryq.dev/en/stable/userguide/canvas.html#chords."""

    @check("chords")
    def test_the_body_runs_once_all_header_tasks_are_done(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/canvas, Chords: "a task that only executes after all of the tasks in a group have finished"."""
        body = chord((check_tasks.add.s(number, number) for number in range(5)), check_tasks.total.s())()
        comes_to(result_backend, body, 20)

    @check("chords")
    def test_the_body_is_given_the_values_in_the_order_of_the_header(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/canvas, Chords: the body gets the list of the header's results, as ``group.get()`` does."""
        late = check_tasks.echo.s("first").set(countdown=0.1)
        body = chord(
            [late, check_tasks.echo.s("second"), check_tasks.echo.s("third")], check_tasks.echo.s()
        )()
        comes_to(result_backend, body, ["first", "second", "third"])

    @check("chords")
    def test_the_body_runs_once(self, check_tasks: CheckTasks, result_backend: ResultBackend) -> None:
        """userguide/canvas, Chords: one body for one header."""
        body = chord((check_tasks.echo.s(number) for number in range(4)), check_tasks.total.s())()
        result_backend.assert_chord_ran_once(body, timeout=LIMIT)
        assert body.get(timeout=LIMIT) == 6

    @check("chords")
    def test_the_body_of_a_single_task_is_given_a_list(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/canvas, Chords: a header of one task is a list of one."""
        body = chord([check_tasks.echo.s("only")], check_tasks.echo.s())()
        comes_to(result_backend, body, ["only"])

    @check("core")
    def test_the_body_of_an_empty_header_is_given_an_empty_list(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/canvas, Chords: a header without tasks is done from the start."""
        body = chord([], check_tasks.echo.s())()
        comes_to(result_backend, body, [])

    @check("chords")
    def test_a_header_of_a_hundred_tasks_loses_none(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """userguide/canvas, Chords: "the synchronization step is costly", and still exact."""
        body = chord((check_tasks.echo.s(number) for number in range(100)), check_tasks.echo.s())()
        result_worker.drain(timeout=LONG)
        comes_to(result_backend, body, list(range(100)))

    @check("chords")
    def test_a_group_in_the_header_counts_each_of_its_tasks(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/canvas, Chords: "a group ... chained with another task is upgraded to be a chord"."""
        echo = check_tasks.echo
        body = (group(echo.s(1), group(echo.s(2), echo.s(3))) | check_tasks.total.s())()
        comes_to(result_backend, body, 6)

    @check("chords")
    def test_a_chord_in_the_header_gives_the_value_of_its_body(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/canvas, Chords: a chord is a signature as any other."""
        inner = chord([check_tasks.echo.s(1), check_tasks.echo.s(2)], check_tasks.total.s())
        body = chord([inner, check_tasks.echo.s(10)], check_tasks.echo.s())()
        comes_to(result_backend, body, [3, 10])

    @check("chords")
    def test_a_chain_in_the_header_gives_its_last_value(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/canvas, Chains and Chords."""
        steps = check_tasks.add.s(1, 1) | check_tasks.add.s(1)
        body = chord([steps, check_tasks.echo.s(10)], check_tasks.echo.s())()
        comes_to(result_backend, body, [3, 10])

    @check("chords")
    def test_a_task_may_follow_the_body(self, check_tasks: CheckTasks, result_backend: ResultBackend) -> None:
        """userguide/canvas, Chains: ``group | task | task``."""
        header = group(check_tasks.echo.s(number) for number in range(3))
        result = (header | check_tasks.total.s() | check_tasks.add.s(10))()
        comes_to(result_backend, result, 13)

    @check("chords")
    def test_one_chord_may_follow_another(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/canvas, Chains: ``group | task | group | task``."""
        add, echo = check_tasks.add, check_tasks.echo
        first = group(echo.s(1), echo.s(2)) | check_tasks.total.s()
        result = (first | group(add.s(10), add.s(20)) | check_tasks.total.s())()
        comes_to(result_backend, result, 36)

    @check("chords")
    def test_the_header_is_the_parent_of_the_body(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.parent: the body's is the group of the header's results."""
        body = chord([check_tasks.echo.s("a"), check_tasks.echo.s("b")], check_tasks.echo.s())()
        comes_to(result_backend, body, ["a", "b"])
        comes_to(result_backend, body.parent, ["a", "b"])

    @check("chords")
    def test_each_header_task_keeps_its_result(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/canvas, Chords: header tasks must not ignore their results, and those stay."""
        body = chord([check_tasks.echo.s("a"), check_tasks.echo.s("b")], check_tasks.echo.s())()
        assert body.get(timeout=LIMIT) == ["a", "b"]
        assert [last_state_of(result_backend, each) for each in body.parent] == ["SUCCESS", "SUCCESS"]

    @check("chords")
    def test_nothing_that_counted_tasks_stays_for_good(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_chord_expires: what a chord keeps for itself goes."""
        body = chord([check_tasks.echo.s(1), check_tasks.echo.s(2)], check_tasks.total.s())()
        assert body.get(timeout=LIMIT) == 3
        result_worker.drain()
        left = [each for each in result_backend.stored() if each.kind in ("chord", "group")]
        assert [each for each in left if each.expires_in is None] == []

    @check("chords")
    def test_two_chords_at_a_time_do_not_mix(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/canvas, Chords: each header has its own body."""
        echo = check_tasks.echo
        one = chord([echo.s("a").set(countdown=0.05), echo.s("b")], echo.s())()
        other = chord([echo.s("c").set(countdown=0.05), echo.s("d")], echo.s())()
        comes_to(result_backend, one, ["a", "b"])
        comes_to(result_backend, other, ["c", "d"])
