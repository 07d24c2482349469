"""Backends that are wrong in one way each: every assertion has to see its own."""

from __future__ import annotations

import sys
from typing import Any

from celery import maybe_signature, states
from celery.backends.cache import CacheBackend
from celery.backends.database import DatabaseBackend
from celery.backends.filesystem import FilesystemBackend
from celery.backends.redis import RedisBackend
from celery.backends.rpc import RPCBackend

from pytest_celery_backends.polling import wait_until


class DropsSuccess:
    """Says that it stored a success, and keeps what was there before."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        if state == states.SUCCESS:
            return result
        return super()._store_result(task_id, result, state, *args, **kwargs)  # type: ignore[misc]


class KeepsForgotten:
    """Forgets nothing."""

    def _forget(self, task_id: str) -> None:
        pass


class NeverCleans:
    """Its cleanup removes nothing."""

    def cleanup(self) -> None:
        pass


class ChangesValues:
    """Stores another value than it is given."""

    def encode_result(self, result: Any, state: str) -> Any:
        encoded = super().encode_result(result, state)  # type: ignore[misc]
        return {"wrapped": encoded} if state == states.SUCCESS else encoded


class CutsShort:
    """Keeps the first 400 bytes of a success, as a column does that is too narrow."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        encode = self.encode  # type: ignore[has-type]
        self.encode = lambda meta: encode(meta)[:400] if state == states.SUCCESS else encode(meta)
        try:
            return super()._store_result(task_id, result, state, *args, **kwargs)  # type: ignore[misc]
        finally:
            self.encode = encode


class NeverCompresses:
    """Takes no notice of ``result_compression``."""

    def prepare_compression(self, compression: Any) -> None:
        return None


class LiesToOthers:
    """Tells every process but the one that runs the tests another value."""

    def _get_task_meta_for(self, task_id: str) -> Any:
        meta = super()._get_task_meta_for(task_id)  # type: ignore[misc]
        return meta if "pytest" in sys.modules else {**meta, "result": None, "traceback": None}


class LosesTracebacks:
    """Stores everything but the traceback."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        kwargs["traceback"] = None
        return super()._store_result(task_id, result, state, **kwargs)  # type: ignore[misc]


class ReadsTwice:
    """Asks for everything once more, to be sure."""

    def _get_task_meta_for(self, task_id: str) -> Any:
        super()._get_task_meta_for(task_id)  # type: ignore[misc]
        return super()._get_task_meta_for(task_id)  # type: ignore[misc]


class Refuses:
    """Cannot store a success at all."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        if state == states.SUCCESS:
            raise OSError("disk full")
        return super()._store_result(task_id, result, state, *args, **kwargs)  # type: ignore[misc]


class RefusesEnds:
    """Cannot store that a task has ended."""

    def store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        if state in states.READY_STATES:
            raise OSError("disk full")
        return super().store_result(task_id, result, state, *args, **kwargs)  # type: ignore[misc]


class DropsRevoked:
    """Says that it stored a revocation, and does not."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        if state == states.REVOKED:
            return result
        return super()._store_result(task_id, result, state, *args, **kwargs)  # type: ignore[misc]


class RefusesRevoked:
    """Cannot store a revocation."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        if state == states.REVOKED:
            raise OSError("disk full")
        return super()._store_result(task_id, result, state, *args, **kwargs)  # type: ignore[misc]


class RefusesToForget:
    """Cannot forget."""

    def _forget(self, task_id: str) -> None:
        raise OSError("gone away")


class RefusesSteps:
    """Cannot store what is not final: retries, and states of the user's own."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        if state not in states.READY_STATES and state != states.STARTED:
            raise OSError("disk full")
        return super()._store_result(task_id, result, state, *args, **kwargs)  # type: ignore[misc]


class DropsSteps:
    """Says that it stored what is not final, retries and states of the user's own, and does not."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        if state not in states.READY_STATES and state != states.STARTED:
            return result
        return super()._store_result(task_id, result, state, *args, **kwargs)  # type: ignore[misc]


class FlattensErrors:
    """Keeps of an exception its text."""

    def prepare_exception(self, exc: Any, serializer: Any = None) -> Any:
        return super().prepare_exception(Exception(str(exc)), serializer)  # type: ignore[misc]


class RepeatsBodies:
    """Runs the body of a chord once more for each task of its header."""

    def on_chord_part_return(self, request: Any, state: str, result: Any, **kwargs: Any) -> None:
        super().on_chord_part_return(request, state, result, **kwargs)  # type: ignore[misc]
        maybe_signature(request.chord, app=self.app).apply_async(([],))  # type: ignore[attr-defined]


class CacheDropsSuccess(DropsSuccess, CacheBackend): ...


class CacheRefusesEnds(RefusesEnds, CacheBackend): ...


class RedisRefusesEnds(RefusesEnds, RedisBackend): ...


class DatabaseRefusesEnds(RefusesEnds, DatabaseBackend): ...


class CacheDropsRevoked(DropsRevoked, CacheBackend): ...


class CacheRefusesRevoked(RefusesRevoked, CacheBackend): ...


class CacheRefusesToForget(RefusesToForget, CacheBackend): ...


class CacheRefusesSteps(RefusesSteps, CacheBackend): ...


class CacheDropsSteps(DropsSteps, CacheBackend): ...


class DatabaseDropsSteps(DropsSteps, DatabaseBackend): ...


class CacheFlattensErrors(FlattensErrors, CacheBackend): ...


class CacheRepeatsBodies(RepeatsBodies, CacheBackend): ...


class RedisDropsRevoked(DropsRevoked, RedisBackend): ...


class RedisFlattensErrors(FlattensErrors, RedisBackend): ...


class DatabaseFlattensErrors(FlattensErrors, DatabaseBackend): ...


class CacheKeepsForgotten(KeepsForgotten, CacheBackend): ...


class CacheChangesValues(ChangesValues, CacheBackend): ...


class CacheRefuses(Refuses, CacheBackend): ...


class CacheCutsShort(CutsShort, CacheBackend): ...


class FilesCutsShort(CutsShort, FilesystemBackend): ...


class FilesNeverCompresses(NeverCompresses, FilesystemBackend): ...


class FilesReturnsLate(FilesystemBackend):
    """Tells whoever stores a result of a header when the body has ended; all others see it at once."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        stored = super()._store_result(task_id, result, state, *args, **kwargs)
        body = getattr(kwargs.get("request"), "chord", None)
        if body and state == states.SUCCESS:
            assert wait_until(lambda: self.get_state(body["options"]["task_id"]) == states.SUCCESS, 10)
        return stored


class RedisNeverCompresses(NeverCompresses, RedisBackend): ...


class RedisDropsSuccess(DropsSuccess, RedisBackend): ...


class RedisKeepsForgotten(KeepsForgotten, RedisBackend): ...


class RedisChangesValues(ChangesValues, RedisBackend): ...


class RedisLiesToOthers(LiesToOthers, RedisBackend): ...


class DatabaseLiesToOthers(LiesToOthers, DatabaseBackend): ...


class CacheLosesTracebacks(LosesTracebacks, CacheBackend): ...


class RedisLosesTracebacks(LosesTracebacks, RedisBackend): ...


class RedisReadsTwice(ReadsTwice, RedisBackend): ...


class DatabaseReadsTwice(ReadsTwice, DatabaseBackend): ...


class CacheReadsTwice(ReadsTwice, CacheBackend): ...


class RedisConnectsAnew(RedisBackend):
    """Opens a connection for each read, and leaves it open."""

    def get(self, key: Any) -> Any:
        self.left = [*getattr(self, "left", ()), self._create_client(**self.connparams)]
        return self.left[-1].get(key)


class DatabaseConnectsAnew(DatabaseBackend):
    """Opens a connection for each session."""

    def ResultSession(self, *args: Any, **kwargs: Any) -> Any:
        from celery.backends.database.session import SessionManager

        return super().ResultSession(SessionManager())


class RedisAcceptsAll(RedisBackend):
    """Tries every pickle."""

    def decode(self, payload: Any) -> Any:
        import pickle

        return pickle.loads(payload) if payload[:1] == b"\x80" else super().decode(payload)


class RedisNeverExpires(RedisBackend):
    """Gives its keys no time to live."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expires = None


class RedisExpiresEarly(RedisBackend):
    """Gives its keys a tenth of the time."""

    expires: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expires = int(self.expires / 10)


class DatabaseDropsSuccess(DropsSuccess, DatabaseBackend): ...


class DatabaseKeepsForgotten(KeepsForgotten, DatabaseBackend): ...


class DatabaseChangesValues(ChangesValues, DatabaseBackend): ...


class DatabaseNeverCleans(NeverCleans, DatabaseBackend): ...


class DatabaseCleansEverything(DatabaseBackend):
    """Its cleanup removes all results, however young."""

    def cleanup(self) -> None:
        with self.ResultSession() as session:
            session.query(self.task_cls).delete()
            session.commit()


class FilesDropsSuccess(DropsSuccess, FilesystemBackend): ...


class FilesKeepsForgotten(KeepsForgotten, FilesystemBackend): ...


class FilesChangesValues(ChangesValues, FilesystemBackend): ...


class FilesNeverCleans(NeverCleans, FilesystemBackend): ...


class FilesCleanupFails(FilesystemBackend):
    """Its cleanup finds nothing to look into."""

    def cleanup(self) -> None:
        raise OSError("no directory")


class FilesCleansEverything(FilesystemBackend):
    """Its cleanup removes all results, however young."""

    def cleanup(self) -> None:
        import os

        for name in os.listdir(self.path):
            os.unlink(os.path.join(self.path, name))


class RpcDropsSuccess(RPCBackend):
    """Sends no success, and says nothing."""

    def store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        if state == states.SUCCESS:
            return result
        return super().store_result(task_id, result, state, *args, **kwargs)


class DropsStarted:
    """Says that it stored that a task has started, and does not."""

    def store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        if state == states.STARTED:
            return result
        return super().store_result(task_id, result, state, *args, **kwargs)  # type: ignore[misc]


class CacheDropsStarted(DropsStarted, CacheBackend): ...


class RedisDropsStarted(DropsStarted, RedisBackend): ...


class DatabaseDropsStarted(DropsStarted, DatabaseBackend): ...


class FilesDropsStarted(DropsStarted, FilesystemBackend): ...


class RpcDropsStarted(DropsStarted, RPCBackend): ...


class RedisSkipsStarted(RedisBackend):
    """Looks at what there is, as always, and then does not write that a task has started."""

    def _set_with_state(self, key: Any, value: Any, state: str) -> Any:
        return None if state == states.STARTED else super()._set_with_state(key, value, state)


class RpcChangesValues(RPCBackend):
    """Sends another value than it is given."""

    def _to_result(self, task_id: str, state: str, result: Any, *args: Any, **kwargs: Any) -> Any:
        if state == states.SUCCESS:
            result = {"wrapped": result}
        return super()._to_result(task_id, state, result, *args, **kwargs)
