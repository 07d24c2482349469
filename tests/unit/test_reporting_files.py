"""The matrix as JSON, Markdown and HTML, to the letter."""

from __future__ import annotations

import json

from pytest_celery_backends.reporting import html, markdown
from pytest_celery_backends.reporting import json as json_report
from pytest_celery_backends.reporting.matrix import Matrix, Outcome, matrix_of

ODD = "test_odd[a|b`c`<i>]"


def sample() -> Matrix:
    server = "Valkey 9.1.2 (embedded)"
    return matrix_of(
        [
            Outcome(test="test_total", backend="redis", cell="passed", seconds=0.0125, server=server),
            Outcome(test="test_total", backend="rpc", cell="passed", seconds=0.002),
            Outcome(
                test=ODD, backend="redis", cell="failed", reason='got "1" & not 2', seconds=0.5, server=server
            ),
            Outcome(test=ODD, backend="rpc", cell="unsupported", reason="no __store__"),
            Outcome(test="test_only", backend="redis", cell="skipped", server=server),
        ]
    )


def test_json_holds_everything() -> None:
    assert json.loads(json_report.render(sample())) == {
        "schema": 1,
        "backends": [
            {
                "name": "redis",
                "server": "Valkey 9.1.2 (embedded)",
                "counts": {"failed": 1, "skipped": 1, "passed": 1},
            },
            {"name": "rpc", "server": "", "counts": {"unsupported": 1, "passed": 1}},
        ],
        "tests": [
            {
                "test": ODD,
                "differs": True,
                "outcomes": {
                    "redis": {"cell": "failed", "reason": 'got "1" & not 2', "seconds": 0.5},
                    "rpc": {"cell": "unsupported", "reason": "no __store__", "seconds": 0.0},
                },
            },
            {
                "test": "test_total",
                "differs": False,
                "outcomes": {
                    "redis": {"cell": "passed", "reason": "", "seconds": 0.0125},
                    "rpc": {"cell": "passed", "reason": "", "seconds": 0.002},
                },
            },
            {
                "test": "test_only",
                "differs": False,
                "outcomes": {"redis": {"cell": "skipped", "reason": "", "seconds": 0.0}},
            },
        ],
        "notes": [{"backend": "rpc", "cell": "unsupported", "reason": "no __store__", "tests": 1}],
    }


def test_json_ends_its_last_line_and_keeps_letters_readable() -> None:
    text = json_report.render(matrix_of([Outcome(test="test_ä", backend="redis", cell="passed")]))
    assert '"test": "test_ä"' in text
    assert text.endswith("}\n")


def test_markdown_folds_what_agrees_and_shows_names_as_they_are() -> None:
    assert (
        markdown.render(sample())
        == """\
# Result backends

| test | redis | rpc |
| --- | --- | --- |
| `` test_odd[a\\|b`c`<i>] `` | ✗ failed | u unsupported |

<details><summary>2 tests agree on every backend marked: 1 skipped, 1 passed</summary>

| test | redis | rpc |
| --- | --- | --- |
| `test_total` | ✓ passed | ✓ passed |
| `test_only` | s skipped |  |

</details>

- **redis**: 1 failed, 1 skipped, 1 passed, on Valkey 9.1.2 (embedded)
- **rpc**: 1 unsupported, 1 passed

- unsupported: rpc, 1 test: no \\_\\_store\\_\\_
"""
    )


def test_html_is_one_page_that_escapes_what_it_shows() -> None:
    page = html.render(sample())
    start = page.index("<h1>")
    assert (
        page[start:]
        == """\
<h1>Result backends</h1>
<table>
<caption>1 of 3 tests differ between backends</caption>
<thead><tr><th scope="col">test</th><th scope="col" title="Valkey 9.1.2 (embedded)">redis</th>\
<th scope="col">rpc</th></tr></thead>
<tbody>
<tr class="differs"><th scope="row">test_odd[a|b`c`&lt;i&gt;]</th>\
<td class="failed" title="got &quot;1&quot; &amp; not 2, 0.500 s">✗ failed</td>\
<td class="unsupported" title="no __store__">u unsupported</td></tr>
<tr><th scope="row">test_total</th><td class="passed" title="0.013 s">✓ passed</td>\
<td class="passed" title="0.002 s">✓ passed</td></tr>
<tr><th scope="row">test_only</th><td class="skipped">s skipped</td><td></td></tr>
</tbody>
<tfoot><tr><th scope="row">in all</th><td>1 failed, 1 skipped, 1 passed</td>\
<td>1 unsupported, 1 passed</td></tr></tfoot>
</table>
<ul>
<li>unsupported: rpc, 1 test: no __store__</li>
</ul>
</html>
"""
    )


def test_html_needs_no_other_file() -> None:
    page = html.render(sample())
    assert not any(word in page for word in ("http:", "https:", "src=", "href=", "@import", "url("))


def test_files_can_be_written_where_nothing_ran() -> None:
    empty = matrix_of([])
    assert json.loads(json_report.render(empty))["tests"] == []
    assert markdown.render(empty) == "# Result backends\n"
    assert "0 of 0 tests differ" in html.render(empty)
