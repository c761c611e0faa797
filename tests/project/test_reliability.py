"""The promises of ``docs/reliability.md`` are held by tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_every_test_that_is_named_exists():
    defined = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        defined |= set(re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    assert len(named) > 20
    assert named <= defined, named - defined


def test_every_promise_names_a_test():
    rows = [row for row in re.findall(r"^\| (.*) \|$", TEXT, re.MULTILINE) if not row.startswith(("promise", "---"))]
    assert rows
    assert [row for row in rows if "`test_" not in row] == []
