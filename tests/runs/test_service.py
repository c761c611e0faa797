"""examples/service.py, served on the loopback: its answers are right, and it gives others while it computes."""

import contextlib
import functools
import json
import re
import socket
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

uvicorn = pytest.importorskip("uvicorn", reason="the group web is not installed")
pytest.importorskip("fastapi", reason="the group web is not installed")

from examples import service  # noqa: E402  after what it needs is known to be there

BOUND = 30.0  # seconds
PAGE = Path(__file__).parents[2] / "docs" / "ecosystem.md"


@contextlib.contextmanager
def served():
    """Serve the app in a thread; the socket listens before it is started, so that no request comes too early."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(service.app, log_config=None, lifespan="on"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield functools.partial(fetch, listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


def fetch(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=BOUND) as answer:
        return json.load(answer)


@pytest.fixture
def get():
    with served() as get:
        yield get


def is_prime(n):
    return n > 1 and not any(n % divisor == 0 for divisor in range(2, n))


@pytest.mark.parametrize("below", [0, 2, 3, 4, 10, 1000])
def test_its_counts_are_right(get, monkeypatch, below):
    monkeypatch.setattr(service, "PART", 7)
    assert get(f"/primes/{below}") == {"below": below, "primes": sum(map(is_prime, range(below)))}


def test_parts_are_counted_as_the_whole(get):
    assert get(f"/primes/{2 * service.PART + 1}")["primes"] == service.count(0, 2 * service.PART + 1)


def test_it_answers_while_it_computes(get, monkeypatch):
    begun, answered = threading.Event(), threading.Event()
    computing = []

    def count(start, stop):
        computing.append(threading.current_thread().name)
        begun.set()
        assert answered.wait(BOUND), "nothing was answered while this computed"
        return stop - start

    monkeypatch.setattr(service, "count", count)
    with ThreadPoolExecutor(1) as client:
        primes = client.submit(get, "/primes/100")
        assert begun.wait(BOUND)
        assert get("/health") == {"ok": True}  # only now, by the answer, may the work end
        assert not primes.done()
        answered.set()
        assert primes.result() == {"below": 100, "primes": 100}
    assert [name.rpartition("_")[0] for name in computing] == ["primes"]


def test_too_large_a_number_is_refused(get):
    with pytest.raises(urllib.error.HTTPError, match="422"):
        get(f"/primes/{service.LARGEST + 1}")


def test_the_executor_ends_with_the_service():
    with served() as get:
        get("/primes/10")
        assert service.app.state.executor.submit(pow, 2, 5).result() == 32
    with pytest.raises(RuntimeError, match="shutdown"):
        service.app.state.executor.submit(pow, 2, 5)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("primes")]


def test_the_page_shows_its_code():
    shown = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert shown
    assert [part for part in shown if part not in Path(service.__file__).read_text()] == []
