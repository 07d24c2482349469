"""Redis: what was reported of it, each with what is expected, and where it still is not so."""

from __future__ import annotations

import pytest
from celery import Celery
from celery.exceptions import BackendGetMetaError
from redis.exceptions import ConnectionError as LostConnection

differs = pytest.mark.differs
said = pytest.mark.said


@pytest.mark.backends("redis")
@pytest.mark.celery(
    result_backend_always_retry=True,
    result_backend_max_retries=2,
    result_backend_transport_options={"retry_policy": {"max_retries": 0}},
)
@said("redis", fixed=(5, 5))
@differs("redis", until=(5, 5), raises=LostConnection, why="ConnectionError at once")
def test_celery_9613_a_lost_connection_is_not_tried_again(result_app: Celery) -> None:
    """celery#9613, celery#9614: no error of Redis counted as one that is worth another try."""
    other = type(result_app.backend)(app=result_app, url="redis://127.0.0.1:1/0")
    with pytest.raises(BackendGetMetaError):
        other.get_task_meta("t1")


@pytest.mark.backends("redis")
@said("redis", fixed=(5, 7))
@differs("redis", until=(5, 7), raises=ValueError, why="ValueError: the specified URL scheme is redis://")
def test_celery_10313_a_setting_of_tls_is_refused(result_app: Celery) -> None:
    """celery#10313: ``redis_backend_use_ssl`` beside a URL that begins with ``redis://``."""
    result_app.conf.redis_backend_use_ssl = {"ssl_cert_reqs": "CERT_NONE"}
    other = type(result_app.backend)(app=result_app, url="redis://127.0.0.1:1/0")
    assert "ssl_cert_reqs" in other.connparams
    assert "SSL" in other.connparams["connection_class"].__name__


@pytest.mark.backends("redis-sentinel")
@said("redis-sentinel", fixed=(4, 4))
def test_celery_5142_the_url_of_two_sentinels_cannot_be_shown(result_app: Celery) -> None:
    """celery#5142, celery#5146: ``as_uri()`` took the URL of several sentinels for one."""
    url = "sentinel://:secret@one:26379/0;sentinel://:secret@two:26379/0"
    shown = type(result_app.backend)(app=result_app, url=url).as_uri()
    assert ("one" in shown, "two" in shown, "secret" in shown) == (True, True, False)
