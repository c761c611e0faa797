"""The engine on Dask: works are tasks of a Dask cluster, an existing one or one made for the run on this machine.

Each work is one Dask task, whose value stays on the Dask worker that has run it. What became of its nodes comes back as
events of a topic of the run: they are sent before the task ends, in batches, and lie on no node's way. Dask itself
decides where a task runs (where its inputs are, if it can), moves results, and runs again what was lost with a worker.
"""

import asyncio
import contextlib
import importlib
import itertools
import logging
import shutil
import sys
import zipfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from taskrunner.engines.engine import EngineLostError, ReportCallback, RunSetup, WorkerJoined, WorkerLost, WorkerProcess
from taskrunner.engines.messages import ResultRef, StepReport, WorkItem, from_bytes, to_bytes
from taskrunner.engines.worker import async_steps as waiting
from taskrunner.engines.worker import steps
from taskrunner.engines.worker.probe import Probe, differences, probe
from taskrunner.engines.worker.step_inputs import check_whole
from taskrunner.engines.worker.worker_run import drop_run, worker_run
from taskrunner.errors import TaskrunnerError, UsageError
from taskrunner.system import gil
from taskrunner.system.host import processors

if TYPE_CHECKING:
    from distributed import Client, LocalCluster, Scheduler, Worker

# Seconds to wait for the scheduler, and for its first worker.
CONNECT_TIMEOUT_S = 30
# Seconds that the end of a run waits for what may be gone.
CLOSE_TIMEOUT_S = 5


class DaskEngine:
    """Runs works on Dask.

    ``address``: the scheduler's, as ``tcp://host:8786``; "": a cluster of ``workers`` processes is made on this machine
    for the run. ``ship``: folders of packages and files of modules that are brought to the workers first. ``fuses``:
    calls in a row, each of which only the next one waits for, travel as one task.
    """

    name = "dask"

    def __init__(
        self, address: str = "", *, workers: int | None = None, ship: Sequence[str] = (), fuses: bool = True
    ) -> None:
        if address and workers is not None:
            raise UsageError("an existing cluster has its own workers: their number is for a local one")
        self.fuses = fuses
        self._address = address
        self._workers = workers or processors()
        self._ship = [Path(path) for path in ship]
        self._stack = contextlib.ExitStack()
        self._client: Client
        self._setup: RunSetup
        self._here: Probe

    # -- the start -----------------------------------------------------------------------------------

    def start(self, setup: RunSetup, tell: ReportCallback) -> Sequence[WorkerProcess]:
        """Connect to the cluster, or make one, and say what its workers are.

        Raises:
            UsageError: Dask is not installed, or what is to be shipped is not there.
            TaskrunnerError: there is no scheduler, or no worker, or taskrunner is not installed there.

        """
        self._setup = setup
        try:
            self._client = self._connect()
            for path in self._ship:
                self._upload(path)
            self._listen(tell)
            self._here = probe(setup.calls)
            return list(self._describe(None, CONNECT_TIMEOUT_S))
        except BaseException:
            self.close()
            raise

    def describe(self, address: str) -> WorkerProcess:
        """Say what a worker is that has come since."""
        return next(self._describe([address], CLOSE_TIMEOUT_S))

    def _connect(self) -> "Client":
        try:
            from distributed import Client
        except ModuleNotFoundError as error:
            raise UsageError(f"the engine dask needs taskrunner[dask]: {error}") from None
        self._stack.enter_context(_silence())
        try:
            client = Client(self._address or self._local(), timeout=CONNECT_TIMEOUT_S)
            self._stack.callback(self._disconnect)
            client.wait_for_workers(1, timeout=CONNECT_TIMEOUT_S)
        except (OSError, TimeoutError, ValueError, RuntimeError) as error:
            where = self._address or "this machine"
            raise TaskrunnerError(f"no Dask scheduler with a worker answers at {where}: {error}") from None
        return client

    def _local(self) -> "LocalCluster":
        """Make a cluster on this machine: a process with one thread for each worker."""
        import dask
        from distributed import LocalCluster

        config: dict[str, Any] = {"distributed.worker.preload": ["taskrunner.engines.dask.preload"]}
        if gil.IS_FREE_THREADED:
            # Dask's sampling profiler reads the frames of threads that run, which crashes workers of 3.13t.
            config["distributed.worker.profile.enabled"] = False
        with dask.config.set(config):
            cluster = LocalCluster(
                n_workers=self._workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                silence_logs=logging.CRITICAL + 1,
            )
        self._stack.callback(cluster.close, timeout=CLOSE_TIMEOUT_S)
        return cluster

    def _upload(self, path: Path) -> None:
        """Bring a package or a module to all workers, also to those that come later."""
        if not path.is_dir() and path.suffix != ".py":
            raise UsageError(f"--ship takes the folder of a package or a .py file, not {path}")
        with TemporaryDirectory() as folder:
            file = path if path.is_file() else _zipped(path, Path(folder))
            self._client.upload_file(str(file))
            self._client.run(_drop_modules, path.stem)

    def _listen(self, tell: ReportCallback) -> None:
        """Have the reports of this run told, and what is lost with workers."""

        def on_report(event: tuple[float, bytes]) -> None:
            tell(from_bytes(event[1]))

        def on_change(event: tuple[float, dict[str, Any]]) -> None:
            if event[1].get("action") == "remove-worker":
                tell(WorkerLost(event[1]["worker"], list(event[1]["processing-tasks"])))
            elif event[1].get("action") == "add-worker":
                tell(WorkerJoined(event[1]["worker"]))

        topic = _topic(self._setup.run)
        with contextlib.suppress(Exception):  # else it keeps the newest of them, which is a matter of memory alone
            self._client.run_on_scheduler(_keep_no_events, topic=topic)
        self._client.subscribe_topic(topic, on_report)
        self._client.subscribe_topic("all", on_change)

    def _run_on_workers(
        self, function: Callable[..., Any], *args: Any, workers: list[str] | None = None, **more: Any
    ) -> Any:
        """Have workers call a function at once, all of them if none is named; return what each answers.

        Raises:
            TimeoutError: one does not answer in time: it hangs, or something holds its GIL.

        """
        seconds = more.pop("seconds", CLOSE_TIMEOUT_S)
        asked = {"workers": workers, "wait": True, "nanny": False, "on_error": "raise", **more}
        run = self._client._run  # noqa: SLF001  ``run`` itself has no time-out
        return self._client.sync(run, function, *args, callback_timeout=seconds, **asked)

    def _describe(self, addresses: list[str] | None, seconds: float) -> Iterator[WorkerProcess]:
        found = self._run_on_workers(_probe, self._setup.calls, workers=addresses, seconds=seconds, on_error="return")
        for address, answer in found.items():
            if isinstance(answer, BaseException):
                raise TaskrunnerError(f"the Dask worker {address} cannot run nodes: {answer!r}; is taskrunner there?")
            told, threads, is_sampled = answer
            differs = differences(self._here.versions, told.versions)
            yield WorkerProcess(
                address, threads, told.python, told.free_threaded, told.gil, told.host, told.pid, differs,
                told.problems, is_sampled,
            )  # fmt: skip

    # -- the run -------------------------------------------------------------------------------------

    def submit(self, works: Sequence[tuple[WorkItem, Sequence[ResultRef]]]) -> Sequence[ResultRef]:
        """Have works run, as many as possible with one message.

        Each is pickled by itself: the scheduler need not know what they are made of, and one that cannot be pickled
        or unpickled keeps no other from running.
        """
        packed = [_packed(work) for work, _ in works]
        sent = [(*pair, data) for pair, data in zip(works, packed, strict=True) if isinstance(data, bytes)]
        futures: list[Any] = []
        for (is_waiting, priority, place), alike in itertools.groupby(sent, lambda one: _alike(one[:2])):
            some = list(alike)
            futures += self._client.map(
                _wait if is_waiting else _run,
                [data for _, _, data in some],
                [[remote.handle for remote in remotes] for _, remotes, _ in some],
                key=[work.key for work, _, _ in some],
                pure=False,
                priority=priority,
                workers=[place] if place else None,
            )
        found = iter(futures)
        return [ResultRef(next(found) if isinstance(data, bytes) else data) for data in packed]

    def failed(self, results: Mapping[str, ResultRef]) -> Mapping[str, BaseException]:
        """Return the works that Dask could not run: their workers died again and again, or their inputs cannot move.

        Raises:
            EngineLostError: the scheduler does not answer any more.

        """
        self._check()
        found: dict[str, BaseException] = {}
        for key, remote in results.items():
            if remote.handle.status == "error":
                found[key] = remote.handle.exception()
            elif remote.handle.status in ("cancelled", "lost"):
                self._check()
                found[key] = TaskrunnerError(f"Dask has given up the task: it is {remote.handle.status}")
        return found

    def fetch(self, results: Sequence[ResultRef]) -> Sequence[Any]:
        """Bring results here.

        Raises:
            EngineLostError: the scheduler does not answer any more.

        """
        from taskrunner.engines.dask.results import unwrap

        try:
            values = [unwrap(value) for value in self._client.gather([remote.handle for remote in results])]
        except Exception:
            self._check()
            raise
        for value in values:
            check_whole(value)
        return values

    def read_file(self, address: str, path: str, start: int, size: int) -> bytes:
        """Read a part of a file that a worker has written."""
        found: Mapping[str, bytes] = self._run_on_workers(
            _read, path, start, size, workers=[address], seconds=CONNECT_TIMEOUT_S
        )
        return found[address]

    def stop_steps(self, *, cancel: bool) -> None:
        """Have workers begin no more steps; ``cancel``: and end what can be cancelled."""
        with contextlib.suppress(Exception):  # one that is gone has stopped
            self._run_on_workers(_stop_steps, self._setup.run, cancel=cancel, on_error="ignore")

    def close(self) -> None:
        """Leave the cluster, or end the one that was made."""
        self._stack.close()

    def _check(self) -> None:
        if self._client.status != "running":
            where = self._address or "this machine"
            raise EngineLostError(f"the Dask scheduler at {where} is lost; --resume goes on with what had not finished")

    def _disconnect(self) -> None:
        with contextlib.suppress(Exception):
            if self._client.status == "running":
                self._client.unsubscribe_topic(_topic(self._setup.run))
                self._client.unsubscribe_topic("all")
                self._run_on_workers(_drop_run, self._setup.run, on_error="ignore")
        with contextlib.suppress(Exception):
            self._client.close(timeout=CLOSE_TIMEOUT_S)


class _UnsentItem:
    """Stands for the future of a work that could not even be sent."""

    status = "error"

    def __init__(self, error: Exception) -> None:
        self._error = error

    def exception(self) -> Exception:
        """Return why."""
        return self._error


def _packed(work: WorkItem) -> bytes | _UnsentItem:
    """Return a work as it travels."""
    from distributed.protocol import pickle

    try:
        return bytes(pickle.dumps(work))
    except Exception as error:  # noqa: BLE001  what was given in Python may raise anything
        return _UnsentItem(error)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Have Dask not log what is told as errors and events here."""
    before = {name: logging.getLogger(name).level for name in ("distributed", "tornado.application")}
    for name in before:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _zipped(package: Path, folder: Path) -> Path:
    """Return an archive of a package, made in a folder."""
    path = folder / f"{package.name}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(package.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                archive.write(file, file.relative_to(package.parent))
    return path


def _alike(pair: tuple[WorkItem, Sequence[ResultRef]]) -> tuple[bool, int, str]:
    """Return what is said for all works of one message at once."""
    return pair[0].is_async, pair[0].priority, pair[0].worker


def _topic(run: str) -> str:
    return f"taskrunner-{run}"


# -- what runs on the scheduler and on the workers -----------------------------------------------------


def _keep_no_events(topic: str, dask_scheduler: "Scheduler") -> None:
    """Have the scheduler hand a topic's events on without keeping them: they are read once."""
    dask_scheduler._broker._topics[topic].events = deque(maxlen=0)  # noqa: SLF001  there is no other way


def _probe(calls: Sequence[str], dask_worker: "Worker") -> tuple[Probe, int, bool]:
    import dask

    is_sampled = gil.IS_FREE_THREADED and bool(dask.config.get("distributed.worker.profile.enabled"))
    return probe(calls), dask_worker.state.nthreads, is_sampled


def _run(data: bytes, results: Sequence[Any]) -> Any:
    """Run a work on a thread of a worker."""
    from distributed.protocol import pickle

    from taskrunner.engines.dask.results import unwrap, wrap

    work: WorkItem = pickle.loads(data)
    worker, given = _worker(), [unwrap(result) for result in results]
    return wrap(steps.run_work(work, given, worker.address, lambda reports: _send(worker, work, reports)))


async def _wait(data: bytes, results: Sequence[Any]) -> Any:
    """Run a work that waits; it takes none of the worker's threads meanwhile, and none of its places."""
    from distributed.protocol import pickle
    from distributed.worker_state_machine import SecedeEvent

    from taskrunner.engines.dask.results import unwrap, wrap

    work: WorkItem = pickle.loads(data)
    worker, given = _worker(), [unwrap(result) for result in results]
    worker.handle_stimulus(SecedeEvent(key=work.key, compute_duration=0.0, stimulus_id=f"taskrunner-{work.key}"))
    scratch = Path(worker.local_directory)
    future = waiting.start_work(work, given, worker.address, lambda reports: _send(worker, work, reports), scratch)
    return wrap(await asyncio.wrap_future(future))


def _worker() -> "Worker":
    from distributed import get_worker

    return get_worker()


def _send(worker: "Worker", work: WorkItem, reports: Sequence[StepReport]) -> None:
    worker.log_event(_topic(work.run), to_bytes(reports))


def _read(path: str, start: int, size: int) -> bytes:
    with Path(path).open("rb") as file:
        file.seek(start)
        return file.read(size)


def _stop_steps(run: str, *, cancel: bool) -> None:
    worker_run(run).stop(cancel=cancel)


def _drop_run(run: str, dask_worker: "Worker") -> None:
    drop_run(run)
    shutil.rmtree(waiting.folder_of(run, Path(dask_worker.local_directory)), ignore_errors=True)


def _drop_modules(name: str) -> None:
    """Have a package be imported anew: what was imported of it is older than what was shipped."""
    for module in [module for module in sys.modules if module == name or module.startswith(f"{name}.")]:
        del sys.modules[module]
    importlib.invalidate_caches()
