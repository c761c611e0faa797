"""The promises of ``docs/reliability.md`` and ``docs/semantics.md`` are held by tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXTS = {name: (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("reliability.md", "semantics.md")}


@pytest.mark.parametrize("page", TEXTS)
def test_every_test_that_is_named_exists(page):
    defined = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        defined |= set(re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"`(test_\w+)`", TEXTS[page]))
    assert len(named) > 20
    assert named <= defined, named - defined


@pytest.mark.parametrize("page", TEXTS)
def test_every_promise_names_a_test(page):
    rows = [
        row for row in re.findall(r"^\| (.*) \|$", TEXTS[page], re.MULTILINE) if not row.startswith(("promise", "---"))
    ]
    assert rows
    assert [row for row in rows if "`test_" not in row] == []
