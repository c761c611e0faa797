"""Cluster backend: executes the plan of one run in the worker processes of an engine."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import msgspec

from taskrunner.engines.cluster.packing import Packer, is_gathered
from taskrunner.engines.cluster.scheduler import ClusterScheduler, MessageQueue
from taskrunner.engines.engine import Engine, EngineLostError, RunSetup, WorkerProcess
from taskrunner.engines.messages import OutputFile, ResultRef, StepReport
from taskrunner.errors import GraphError, Problem
from taskrunner.events.types import Event, RunWarning, SiteJoined, SiteLeft
from taskrunner.execution.state import RunState
from taskrunner.execution.timer import Timer, nanoseconds
from taskrunner.graph.dag import Vertex
from taskrunner.nodes.binding import MISSING
from taskrunner.plan.outcome import FailedCall, describe
from taskrunner.plan.plan import Plan
from taskrunner.safe.private_files import write_private
from taskrunner.storage.run_directory import output_files

# Bytes of a command's output that one request reads.
CHUNK_BYTES = 4 * 2**20
# A warning lists at most this number of names.
_MAX_NAMES = 10
_SAMPLED = (
    "Dask's sampling profiler reads other threads' frames, which can crash free-threaded Python 3.13; "
    "set distributed.worker.profile.enabled to false for the workers"
)


class ClusterBackend:
    """Backend for one run on an engine. ``local_functions`` maps nodes to functions passed from Python."""

    def __init__(self, engine: Engine, local_functions: Mapping[str, Callable[..., object]]) -> None:
        self.engine = engine
        self._local_functions = local_functions
        self._messages: MessageQueue = SimpleQueue()
        self._run = ""
        self.worker_processes: dict[str, WorkerProcess] = {}
        self._cacheable: list[str] = []

    def prepare(self, run: str, plan: Plan) -> None:
        """Connect to the worker processes that will execute a plan under this run id.

        Raises:
            GraphError: a worker process cannot import a call of the plan.
            TaskrunnerError: there are no worker processes, or they cannot be reached.

        """
        self._run = run
        self._cacheable = [task.id for task in plan.tasks if task.vertex.options.cache or task.vertex.options.creates]
        vertices = [
            task.vertex for task in plan.tasks if task.vertex.call and task.vertex.id not in self._local_functions
        ]
        calls = list(dict.fromkeys([vertex.call for vertex in vertices]))
        self.worker_processes = {
            worker.address: worker for worker in self.engine.start(RunSetup(run, calls), self._messages.put)
        }
        problems = {
            call: (worker, reason)
            for worker in self.worker_processes.values()
            for call, reason in worker.problems.items()
        }
        if problems:
            self.engine.close()
            raise GraphError(_problem(vertex, *problems[vertex.call]) for vertex in vertices if vertex.call in problems)

    def startup_events(self) -> list[Event]:
        """Return the events that describe the worker processes, before the first node runs."""
        return [*self.describe_workers([*self.worker_processes.values()]), *self._cache_warnings()]

    def _cache_warnings(self) -> list[Event]:
        if not self._cacheable:
            return []
        return [RunWarning(f"the engine {self.name} has no cache; these nodes run: {_join_names(self._cacheable)}")]

    def describe_workers(self, worker_processes: Sequence[WorkerProcess]) -> list[Event]:
        """Return the events and warnings that describe worker processes."""
        events: list[Event] = [joined_event(worker) for worker in worker_processes]
        differing: dict[str, list[str]] = {}
        for worker in worker_processes:
            for name, (client_version, worker_version) in worker.differs.items():
                versions = f"{client_version or 'missing'} in the client and {worker_version or 'missing'}"
                differing.setdefault(f"{name} is {versions}", []).append(worker.address)
        events += [RunWarning(f"{message} at {_join_names(addresses)}") for message, addresses in differing.items()]
        if sampled := [worker.address for worker in worker_processes if worker.is_sampled]:
            events.append(RunWarning(f"{_SAMPLED}: {_join_names(sampled)}"))
        if with_gil := [worker.address for worker in worker_processes if worker.free_threaded and worker.gil]:
            events.append(RunWarning(f"the GIL is on although the build is free-threaded: {_join_names(with_gil)}"))
        return events

    @property
    def name(self) -> str:
        """Name of the engine in the events of the run."""
        return self.engine.name

    @property
    def workers(self) -> int:
        """Number of nodes that run at once on the current worker processes."""
        return sum([worker.threads for worker in self.worker_processes.values()])

    @property
    def has_gil(self) -> bool:
        """Whether the GIL is on in any worker process."""
        return any(worker.gil for worker in self.worker_processes.values())

    def execute(
        self,
        plan: Plan,
        state: RunState,
        commands: Path,
        emit: Callable[[Event], None],
        timeout: float | None,
    ) -> None:
        """Execute a plan to its end, with the semantics of ``local.backend``.

        The output of commands is copied into the directory ``commands``. ``emit`` receives events that belong to no
        node.

        Raises:
            EngineLostError: the engine is unreachable.
            BaseException: an error of taskrunner, never one of a node.

        """
        packer = Packer(
            plan, self._run, self._local_functions, fuses=self.engine.fuses, is_journaled=state.is_journaled
        )
        timer = Timer(state.record_crash)
        listener = _Listener(self, commands, emit)
        scheduler = ClusterScheduler(self.engine, packer, plan, state, timer, self._messages, listener)
        state.add_view(scheduler.running_at)
        state.on_stop(timer.expedite)
        state.on_stop(lambda: self._messages.put(None))
        state.started = time.perf_counter_ns()
        if timeout is not None:
            timer.at(state.started + nanoseconds(timeout), lambda: state.time_out(timeout))
        try:
            scheduler.run(self.workers)
            state.ended = time.perf_counter_ns()
            self._fetch_outputs(plan, state)
        finally:
            state.ended = state.ended or time.perf_counter_ns()
            state.close_views()
            timer.stop()
        if state.crash is not None:
            raise state.crash

    def _fetch_outputs(self, plan: Plan, state: RunState) -> None:
        """Transfer the outputs to the client; an output that cannot be transferred is a failure of its node."""
        for task in plan.output_tasks():
            try:
                task.value = self._fetch(task.value)
            except EngineLostError:
                raise
            except Exception as error:  # noqa: BLE001  for example, it cannot be pickled
                task.value = MISSING
                error.add_note("the result cannot be transferred to the client")
                call = FailedCall(task.id, plan.path_to(task), allowed=task.details.allow_failure)
                state.record_failure(describe(call, error, state.mask))

    def _fetch(self, value: Any) -> Any:
        if type(value) is ResultRef:
            return self.engine.fetch([value])[0]
        if not is_gathered(value):
            return value
        results = iter(self.engine.fetch([part for part in value if type(part) is ResultRef]))
        return [next(results) if type(part) is ResultRef else part for part in value]


class _Listener:
    """Listener that emits events about worker processes, and copies the output of commands to the client."""

    def __init__(self, backend: ClusterBackend, commands: Path, emit: Callable[[Event], None]) -> None:
        self._backend = backend
        self._commands = commands
        self._emit = emit

    def on_report(self, report: StepReport, node: str) -> None:
        processes = self._backend.worker_processes
        worker = processes.get(report.worker)
        if worker is None:
            worker = processes[report.worker] = self._describe_worker(report)
        if report.gil and not worker.gil:
            processes[report.worker] = msgspec.structs.replace(worker, gil=True)
            self._emit(RunWarning(f"the GIL was switched on at {report.worker} while it ran {node}"))
        if report.output_files is not None:
            self._copy_output(node, report.worker, report.output_files)

    def _describe_worker(self, report: StepReport) -> WorkerProcess:
        """Return the description of a worker process that joined later; it may be lost already, or not respond."""
        try:
            worker = self._backend.engine.describe(report.worker)
        except Exception as error:  # noqa: BLE001  not a reason to end the run
            self._emit(RunWarning(f"cannot query {report.worker}, which has run a node: {error}"))
            return WorkerProcess(report.worker, 1, "", free_threaded=False, gil=report.gil, host="", pid=0)
        for event in self._backend.describe_workers([worker]):
            self._emit(event)
        return worker

    def on_worker_lost(self, address: str, nodes: Sequence[str]) -> None:
        self._backend.worker_processes.pop(address, None)
        self._emit(SiteLeft(address, tuple(nodes)))

    def on_rerun(self, nodes: Sequence[str]) -> None:
        if nodes:
            self._emit(RunWarning(f"ran again, because their results were lost with a worker: {_join_names(nodes)}"))

    def _copy_output(self, node: str, address: str, files: tuple[OutputFile, OutputFile]) -> None:
        for path, output_file in zip(output_files(self._commands, node), files, strict=True):
            try:
                write_private(path, b"")
                with path.open("wb") as file:
                    for data in self._read_chunks(address, output_file):
                        file.write(data)
            except Exception as error:  # noqa: BLE001  worker lost or disk full: the result is worth more than its output
                self._emit(RunWarning(f'cannot copy the output of "{node}" to the client: {error}'))

    def _read_chunks(self, address: str, output_file: OutputFile) -> Iterator[bytes]:
        if output_file.data is not None:
            yield output_file.data
            return
        for start in range(0, output_file.size, CHUNK_BYTES):
            size = min(CHUNK_BYTES, output_file.size - start)
            yield self._backend.engine.read_file(address, output_file.path, start, size)


def _join_names(names: Sequence[str]) -> str:
    """Join the first names of a list, with the number of the remaining ones."""
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return f"{', '.join(names[:_MAX_NAMES])}{more}"


def _problem(vertex: Vertex, worker: WorkerProcess, reason: str) -> Problem:
    hint = "ship its package or module, or install it on the worker"
    return Problem(("nodes", vertex.index, "call"), f"{worker.address} cannot import it: {reason}", hint)


def joined_event(worker: WorkerProcess) -> SiteJoined:
    """Return the ``site.joined`` event of a worker process."""
    return SiteJoined(
        worker.address, worker.threads, worker.python, worker.free_threaded, worker.gil, worker.host, worker.pid
    )
