"""What breaks backends is loaded by the run that needs it."""

from __future__ import annotations

collect_ignore_glob = ["broken*.py", "killing.py"]
