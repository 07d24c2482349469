"""Backends that are wrong about when results go."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import Any

from breaking import breaks
from celery.backends.database import DatabaseBackend
from celery.backends.filesystem import FilesystemBackend


@breaks(
    "sqlite",
    "TestExpiry::test_a_result_goes_once_result_expires_is_over",
    "TestExpiry::test_a_failure_goes_as_a_success_does",
    "TestExpiry::test_result_expires_may_be_a_timedelta",
    "TestExpiry::test_a_result_stays_for_a_day_where_nothing_is_set",
    "TestExpiry::test_what_is_over_is_gone_and_what_is_not_stays",
    "TestExpiry::test_an_expired_result_is_pending",
)
class NeverCleans(DatabaseBackend):
    """Its cleanup removes nothing."""

    def cleanup(self) -> None:
        pass


@breaks("sqlite", "TestExpiry::test_reading_a_result_does_not_lengthen_its_life")
class RenewsWhatIsRead(DatabaseBackend):
    """Writes the time of its last reading with a result."""

    def _get_task_meta_for(self, task_id: str) -> Any:
        with self.ResultSession() as session:
            now = datetime.now(timezone.utc).replace(tzinfo=None)
            session.query(self.task_cls).filter_by(task_id=task_id).update({"date_done": now})
            session.commit()
        return super()._get_task_meta_for(task_id)


@breaks("sqlite", "TestExpiry::test_what_does_not_go_by_itself_is_on_the_schedule_of_beat")
class SaysThatItExpires(DatabaseBackend):
    """Needs cleanup, and says that it does not."""

    supports_autoexpire = True


@breaks("sqlite", "TestExpiry::test_a_saved_group_goes_with_its_members")
class KeepsGroups(DatabaseBackend):
    """Its cleanup removes no group."""

    def cleanup(self) -> None:
        with self.ResultSession() as session:
            limit = datetime.now(timezone.utc).replace(tzinfo=None) - self.expires
            session.query(self.task_cls).filter(self.task_cls.date_done < limit).delete()
            session.commit()


@breaks(
    "filesystem",
    "TestExpiry::test_without_result_expires_a_result_stays_for_good",
    "TestExpiry::test_cleanup_takes_nothing_that_is_young",
)
class CleansEverything(FilesystemBackend):
    """Its cleanup removes all results, however young."""

    def cleanup(self) -> None:
        for name in os.listdir(self.path):
            os.unlink(os.path.join(self.path, name))


@breaks("filesystem", "TestExpiry::test_cleanup_of_an_empty_store_does_nothing")
class CleanupFails(FilesystemBackend):
    """Its cleanup finds nothing to look into."""

    def cleanup(self) -> None:
        raise OSError("no directory")
