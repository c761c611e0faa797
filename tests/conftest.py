import signal

import pytest


@pytest.fixture(scope="session", autouse=True)
def _signals_are_not_ignored():
    """Let tests send signals: what a shell starts in the background, or nohup, ignores some, and so do its children."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    ignored = [number for number in usual if signal.getsignal(number) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, usual[number])
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
