"""What a failed test says beside its traceback: sections of its report, one of which repeats it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import pytest

from .activation import choice_of
from .errors import BackendsError, Unsupported
from .masking import masked, masked_option
from .stash import CAPTURED, LEASE, RUN

if TYPE_CHECKING:
    from .evidence import Captured


def capture(item: pytest.Item) -> None:
    """Remember what the app is while the test has it: what fails after that is told of this, not of production."""
    from .evidence import captured

    options = item.config.stash[RUN].options
    is_for_bundle = any(each.endswith("/") for each in options["celery_backends_report"])
    item.stash[CAPTURED] = captured(item.stash[LEASE], is_for_bundle=is_for_bundle)


def app_of(item: pytest.Item) -> Captured:
    """What the app is for the test; once the test has given it back, what it was until then."""
    if item.stash[LEASE].is_taken or CAPTURED not in item.stash:
        capture(item)
    return item.stash[CAPTURED]


def add_sections(item: pytest.Item, when: str, raised: BaseException) -> None:
    """Give a failed test what explains it, and what the error knows beyond that."""
    if isinstance(raised, BackendsError) and raised.log:
        item.add_report_section(when, raised.log_title, raised.log)
    lease = item.stash.get(LEASE, None)
    if lease is None or _is_no_failure(raised):
        return
    from .evidence import sections

    for title, text in sections(lease, app_of(item), lambda: _server_log(item, lease)).items():
        item.add_report_section(when, title, text)
    item.add_report_section(when, "celery repeat", repeat_command(item, lease))


def _is_no_failure(raised: BaseException) -> bool:
    others = (Unsupported, pytest.skip.Exception, pytest.xfail.Exception)
    return isinstance(raised, (*others, KeyboardInterrupt, SystemExit))


def _server_log(item: pytest.Item, lease: Any) -> str:
    return str(item.config.stash[RUN].pool.logs(lease.service))


def repeat_command(item: pytest.Item, lease: Any) -> str:
    """One line that runs this test alone, on the same backend from the same kind of provider."""
    choice, service = choice_of(item), lease.service
    assert choice is not None
    options = item.config.stash[RUN].options
    nodeid = item.nodeid.rpartition("]")[0] + "]"  # xdist adds the group of a test
    words = ["pytest", nodeid, *_given_to_pytest(item.config)]
    if options.source("celery_backends") in ("command line", "environment"):
        words.append(f"--celery-backends={choice}")
    if service.provider == "external":
        words.append(f"--celery-backends-url={choice.name}={masked(service.url)}")
    else:
        words.append(f"--celery-backends-provider={choice.name}={service.provider}")
    if options.source("celery_backends_app") in ("command line", "environment"):
        words.append(f"--celery-backends-app={options['celery_backends_app']}")
    there = (
        "" if item.config.invocation_params.dir == item.config.rootpath else f"cd {item.config.rootpath} && "
    )
    return f"{there}{shlex.join(words)}"


def _given_to_pytest(config: pytest.Config) -> list[str]:
    """Options of pytest's own that decide what runs: its configuration file, ini values and plugins."""
    given = config.option
    return [
        *(["-c", str(given.inifilename)] if given.inifilename else []),
        *(word for value in given.override_ini or () for word in ("-o", masked_option(value))),
        *(word for name in given.plugins or () for word in ("-p", name)),
    ]
