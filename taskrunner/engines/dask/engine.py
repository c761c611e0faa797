"""Dask engine: runs work items as tasks of a Dask cluster, an existing one or one created for the run.

Each work item is one Dask task, whose value stays on the Dask worker that ran it. Step reports return as events of a
topic for the run. They are sent before the task ends, in batches, and delay no node. Dask itself chooses the worker of
a task (the one that holds its inputs, if possible), moves results, and reruns tasks that were lost with a worker.
"""

import asyncio
import contextlib
import functools
import importlib
import itertools
import logging
import shutil
import sys
import zipfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import Context, copy_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from taskrunner.engines.engine import EngineLostError, ReportCallback, RunSetup, WorkerJoined, WorkerLost, WorkerProcess
from taskrunner.engines.messages import ResultRef, StepReport, WorkItem, from_bytes, to_bytes
from taskrunner.engines.worker import async_steps, steps
from taskrunner.engines.worker.probe import Probe, differences, probe
from taskrunner.engines.worker.step_inputs import check_result
from taskrunner.engines.worker.worker_run import drop_run, get_run
from taskrunner.errors import TaskrunnerError, UsageError
from taskrunner.system import gil
from taskrunner.system.host import processors

if TYPE_CHECKING:
    from distributed import Client, LocalCluster, Scheduler, Worker

# Seconds to wait for the scheduler, and for its first worker.
CONNECT_TIMEOUT_S = 30
# Seconds to wait at the end of a run for processes that may be lost.
CLOSE_TIMEOUT_S = 5


class DaskEngine:
    """Engine that runs work items on Dask.

    ``address`` is that of the scheduler, such as ``tcp://host:8786``. If it is "", a cluster of ``workers`` processes
    is created on this machine for the run. ``ship``: package directories and module files that are sent to the workers
    first. ``fuses``: consecutive calls run as one Dask task, if each call is the only consumer of its predecessor.
    """

    name = "dask"

    def __init__(
        self, address: str = "", *, workers: int | None = None, ship: Sequence[str] = (), fuses: bool = True
    ) -> None:
        if address and workers is not None:
            raise UsageError("an existing cluster has its own workers; set their number for a local cluster only")
        self.fuses = fuses
        self._address = address
        self._workers = workers or processors()
        self._ship = [Path(path) for path in ship]
        self._stack = contextlib.ExitStack()
        self._client: Client
        self._setup: RunSetup
        self._client_probe: Probe

    # -- start ---------------------------------------------------------------------------------------

    def start(self, setup: RunSetup, report_callback: ReportCallback) -> Sequence[WorkerProcess]:
        """Connect to the cluster, or create one, and return the descriptions of its workers.

        Raises:
            UsageError: Dask is not installed, or a path to ship does not exist.
            TaskrunnerError: there is no scheduler, or no worker, or taskrunner is not installed on a worker.

        """
        self._setup = setup
        try:
            self._client = self._connect()
            for path in self._ship:
                self._upload(path)
            self._listen(report_callback)
            self._client_probe = probe(setup.calls)
            return list(self._describe(None, CONNECT_TIMEOUT_S))
        except BaseException:
            self.close()
            raise

    def describe(self, address: str) -> WorkerProcess:
        """Return the description of a worker that joined after the start."""
        return next(self._describe([address], CLOSE_TIMEOUT_S))

    def _connect(self) -> "Client":
        try:
            from distributed import Client
        except ModuleNotFoundError as error:
            raise UsageError(f"the engine dask needs taskrunner[dask]: {error}") from None
        self._stack.enter_context(_silence())
        try:
            client = Client(self._address or self._create_cluster(), timeout=CONNECT_TIMEOUT_S)
            self._stack.callback(self._disconnect)
            client.wait_for_workers(1, timeout=CONNECT_TIMEOUT_S)
        except (OSError, TimeoutError, ValueError, RuntimeError) as error:
            location = self._address or "this machine"
            raise TaskrunnerError(f"no Dask scheduler with a worker answers at {location}: {error}") from None
        return client

    def _create_cluster(self) -> "LocalCluster":
        """Create a cluster on this machine: one process with one thread for each worker."""
        import dask
        from distributed import LocalCluster

        config: dict[str, Any] = {"distributed.worker.preload": ["taskrunner.engines.dask.preload"]}
        if gil.IS_FREE_THREADED:
            # Dask's sampling profiler reads the frames of running threads, which crashes workers on Python 3.13t.
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
        """Send a package or a module to all workers, including those that join later."""
        if not path.is_dir() and path.suffix != ".py":
            raise UsageError(f"--ship expects a package directory or a .py file, got {path}")
        with TemporaryDirectory() as directory:
            file = path if path.is_file() else _zip_package(path, Path(directory))
            self._client.upload_file(str(file))
            self._client.run(_drop_modules, path.stem)

    def _listen(self, report_callback: ReportCallback) -> None:
        """Subscribe to the step reports of this run, and to changes of the workers."""

        def on_report(event: tuple[float, bytes]) -> None:
            report_callback(from_bytes(event[1]))

        def on_change(event: tuple[float, dict[str, Any]]) -> None:
            if event[1].get("action") == "remove-worker":
                report_callback(WorkerLost(event[1]["worker"], list(event[1]["processing-tasks"])))
            elif event[1].get("action") == "add-worker":
                report_callback(WorkerJoined(event[1]["worker"]))

        topic = _topic(self._setup.run)
        with contextlib.suppress(
            Exception
        ):  # otherwise the scheduler retains the newest events, which costs memory only
            self._client.run_on_scheduler(_disable_event_history, topic=topic)
        self._client.subscribe_topic(topic, on_report)
        self._client.subscribe_topic("all", on_change)

    def _run_on_workers(
        self, function: Callable[..., Any], *args: Any, workers: list[str] | None = None, **more: Any
    ) -> Any:
        """Call a function on the named workers in parallel, by default on all; return the result of each.

        Raises:
            TimeoutError: a worker does not respond in time: it hangs, or a call holds its GIL.

        """
        seconds = more.pop("seconds", CLOSE_TIMEOUT_S)
        options = {"workers": workers, "wait": True, "nanny": False, "on_error": "raise", **more}
        run = self._client._run  # noqa: SLF001  the public ``run`` has no timeout
        return self._client.sync(run, function, *args, callback_timeout=seconds, **options)

    def _describe(self, addresses: list[str] | None, seconds: float) -> Iterator[WorkerProcess]:
        responses = self._run_on_workers(
            _probe, self._setup.calls, workers=addresses, seconds=seconds, on_error="return"
        )
        for address, response in responses.items():
            if isinstance(response, BaseException):
                raise TaskrunnerError(
                    f"the Dask worker {address} cannot run nodes: {response!r}; is taskrunner installed on it?"
                )
            worker, threads, is_sampled = response
            differs = differences(self._client_probe.versions, worker.versions)
            yield WorkerProcess(
                address, threads, worker.python, worker.free_threaded, worker.gil, worker.host, worker.pid, differs,
                worker.problems, is_sampled,
            )  # fmt: skip

    # -- run -----------------------------------------------------------------------------------------

    def submit(self, items: Sequence[tuple[WorkItem, Sequence[ResultRef]]]) -> Sequence[ResultRef]:
        """Submit work items, as many as possible with one message.

        Each is pickled separately. So the scheduler need not import the classes in it, and an item that cannot be
        pickled or unpickled does not prevent the others from running.
        """
        packed = [_pickle_item(item) for item, _ in items]
        picklable = [(*pair, data) for pair, data in zip(items, packed, strict=True) if isinstance(data, bytes)]
        futures: list[Any] = []
        for (is_async, priority, worker), group in itertools.groupby(picklable, lambda entry: _map_options(entry[:2])):
            batch = list(group)
            futures += self._client.map(
                _run_async_item if is_async else _run_item,
                [data for _, _, data in batch],
                [[ref.handle for ref in refs] for _, refs, _ in batch],
                key=[item.key for item, _, _ in batch],
                pure=False,
                priority=priority,
                workers=[worker] if worker else None,
            )
        remaining = iter(futures)
        return [ResultRef(next(remaining) if isinstance(data, bytes) else data) for data in packed]

    def failed(self, results: Mapping[str, ResultRef]) -> Mapping[str, BaseException]:
        """Return the errors of work items that Dask could not run: repeated worker deaths, or immovable inputs.

        Raises:
            EngineLostError: the scheduler does not respond.

        """
        self._check_connection()
        errors: dict[str, BaseException] = {}
        for key, ref in results.items():
            if ref.handle.status == "error":
                errors[key] = ref.handle.exception()
            elif ref.handle.status in ("cancelled", "lost"):
                self._check_connection()
                errors[key] = TaskrunnerError(f"Dask dropped the task: its status is {ref.handle.status}")
        return errors

    def fetch(self, results: Sequence[ResultRef]) -> Sequence[Any]:
        """Transfer results to the client.

        Raises:
            EngineLostError: the scheduler does not respond.

        """
        from taskrunner.engines.dask.results import unwrap

        try:
            values = [unwrap(value) for value in self._client.gather([ref.handle for ref in results])]
        except Exception:
            self._check_connection()
            raise
        for value in values:
            check_result(value)
        return values

    def read_file(self, address: str, path: str, start: int, size: int) -> bytes:
        """Read ``size`` bytes at offset ``start`` of a file that a worker has written."""
        contents: Mapping[str, bytes] = self._run_on_workers(
            _read_file, path, start, size, workers=[address], seconds=CONNECT_TIMEOUT_S
        )
        return contents[address]

    def stop_steps(self, *, cancel: bool) -> None:
        """Prevent workers from starting steps; ``cancel``: also cancel running steps where possible."""
        with contextlib.suppress(Exception):  # a lost worker has stopped already
            self._run_on_workers(_stop_steps, self._setup.run, cancel=cancel, on_error="ignore")

    def close(self) -> None:
        """Disconnect from the cluster, or shut it down if it was created for the run."""
        self._stack.close()

    def _check_connection(self) -> None:
        if self._client.status != "running":
            location = self._address or "this machine"
            raise EngineLostError(f"the Dask scheduler at {location} is lost; run the remaining nodes with --resume")

    def _disconnect(self) -> None:
        with contextlib.suppress(Exception):
            if self._client.status == "running":
                self._client.unsubscribe_topic(_topic(self._setup.run))
                self._client.unsubscribe_topic("all")
                self._run_on_workers(_drop_run, self._setup.run, on_error="ignore")
        with contextlib.suppress(Exception):
            self._client.close(timeout=CLOSE_TIMEOUT_S)


class _UnsentItem:
    """Substitute for the future of a work item that could not be sent."""

    status = "error"

    def __init__(self, error: Exception) -> None:
        self._error = error

    def exception(self) -> Exception:
        """Return the reason."""
        return self._error


def _pickle_item(item: WorkItem) -> bytes | _UnsentItem:
    """Pickle a work item; return a substitute for its future if it is unpicklable."""
    from distributed.protocol import pickle

    try:
        return bytes(pickle.dumps(item))
    except Exception as error:  # noqa: BLE001  an object passed from Python may raise anything
        return _UnsentItem(error)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Disable Dask's log messages about conditions that taskrunner reports as errors and events."""
    before = {name: logging.getLogger(name).level for name in ("distributed", "tornado.application")}
    for name in before:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _zip_package(package: Path, directory: Path) -> Path:
    """Create an archive of a package in a directory."""
    path = directory / f"{package.name}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(package.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                archive.write(file, file.relative_to(package.parent))
    return path


def _map_options(pair: tuple[WorkItem, Sequence[ResultRef]]) -> tuple[bool, int, str]:
    """Return the options that are equal for all work items of one message."""
    return pair[0].is_async, pair[0].priority, pair[0].worker


def _topic(run: str) -> str:
    return f"taskrunner-{run}"


# -- functions that run on the scheduler and on the workers ---------------------------------------------


def _disable_event_history(topic: str, dask_scheduler: "Scheduler") -> None:
    """Make the scheduler forward the events of a topic without storing them: each is read once."""
    dask_scheduler._broker._topics[topic].events = deque(maxlen=0)  # noqa: SLF001  there is no public API


def _probe(calls: Sequence[str], dask_worker: "Worker") -> tuple[Probe, int, bool]:
    import dask

    is_sampled = gil.IS_FREE_THREADED and bool(dask.config.get("distributed.worker.profile.enabled"))
    return probe(calls), dask_worker.state.nthreads, is_sampled


def _run_item(data: bytes, results: Sequence[Any]) -> Any:
    """Run a work item on a worker thread."""
    from distributed.protocol import pickle

    from taskrunner.engines.dask.results import unwrap, wrap

    item: WorkItem = pickle.loads(data)
    worker, values = _worker(), [unwrap(result) for result in results]
    send, new_context = functools.partial(_send, worker, item), _worker_context(worker).copy
    return wrap(steps.run_item(item, values, worker.address, send, new_context))


async def _run_async_item(data: bytes, results: Sequence[Any]) -> Any:
    """Run an asynchronous work item; while it waits, it occupies no thread and no slot of the worker."""
    from distributed.protocol import pickle
    from distributed.worker_state_machine import SecedeEvent

    from taskrunner.engines.dask.results import unwrap, wrap

    item: WorkItem = pickle.loads(data)
    worker, values = _worker(), [unwrap(result) for result in results]
    worker.handle_stimulus(SecedeEvent(key=item.key, compute_duration=0.0, stimulus_id=f"taskrunner-{item.key}"))
    send, new_context = functools.partial(_send, worker, item), _worker_context(worker).copy
    future = async_steps.start_item(item, values, worker.address, send, Path(worker.local_directory), new_context)
    return wrap(await asyncio.wrap_future(future))


def _worker() -> "Worker":
    from distributed import get_worker

    return get_worker()


def _worker_context(worker: "Worker") -> Context:
    """Return a context that holds one variable of the current one: Dask's, by which nodes find their worker.

    Code that this process ran before, such as that which unpickled results, may have set others.
    """
    context = Context()
    for variable, value in copy_context().items():
        if value is worker:
            context.run(variable.set, worker)
    return context


def _send(worker: "Worker", item: WorkItem, reports: Sequence[StepReport]) -> None:
    worker.log_event(_topic(item.run), to_bytes(reports))


def _read_file(path: str, start: int, size: int) -> bytes:
    with Path(path).open("rb") as file:
        file.seek(start)
        return file.read(size)


def _stop_steps(run: str, *, cancel: bool) -> None:
    get_run(run).stop(cancel=cancel)


def _drop_run(run: str, dask_worker: "Worker") -> None:
    drop_run(run)
    shutil.rmtree(async_steps.command_directory(run, Path(dask_worker.local_directory)), ignore_errors=True)


def _drop_modules(name: str) -> None:
    """Unload a package, so that the next import loads the shipped version instead of an older one."""
    for module in [module for module in sys.modules if module == name or module.startswith(f"{name}.")]:
        del sys.modules[module]
    importlib.invalidate_caches()
