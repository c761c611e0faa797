"""What tests of meetings need on a busy machine."""

import pytest

from taskrunner.stress import interleaving as meeting


@pytest.fixture
def nobody_is_stuck(monkeypatch):
    """Wait as long as it takes: a thread that the system does not run for a while is not stuck."""
    monkeypatch.setattr(meeting, "BLOCKED_AFTER_S", 60)
    monkeypatch.setattr(meeting, "ARRIVAL_TIMEOUT_S", 60)
