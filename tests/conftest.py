import signal

import pytest


@pytest.fixture(scope="session", autouse=True)
def _sigint_is_not_ignored():
    """Let tests send SIGINT: what a shell starts in the background ignores it, and so do all its children."""
    before = signal.getsignal(signal.SIGINT)
    if before == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
