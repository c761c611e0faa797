"""One run whose nodes run elsewhere, as the rest of the program sees it: prepared, executed, stopped."""

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

# Bytes of a command's output that are read at once.
CHUNK_BYTES = 4 * 2**20
_NAMED = 10
_SAMPLED = (
    "Dask's sampling profiler reads other threads' frames, which can crash free-threaded Python 3.13; "
    "set distributed.worker.profile.enabled to false for the workers"
)


class ClusterBackend:
    """One run on an engine. ``local_functions``: the functions that were given in Python, by node."""

    def __init__(self, engine: Engine, local_functions: Mapping[str, Callable[..., object]]) -> None:
        self.engine = engine
        self._local_functions = local_functions
        self._inbox: MessageQueue = SimpleQueue()
        self._run = ""
        self.worker_processes: dict[str, WorkerProcess] = {}
        self._reusing: list[str] = []

    def prepare(self, run: str, plan: Plan) -> None:
        """Reach the worker_processes, which are to run a plan under this id.

        Raises:
            GraphError: a worker cannot import what the plan calls.
            TaskrunnerError: there are no worker_processes, or they cannot be reached.

        """
        self._run = run
        self._reusing = [task.id for task in plan.tasks if task.vertex.options.cache or task.vertex.options.creates]
        vertices = [
            task.vertex for task in plan.tasks if task.vertex.call and task.vertex.id not in self._local_functions
        ]
        calls = list(dict.fromkeys([vertex.call for vertex in vertices]))
        self.worker_processes = {
            worker.address: worker for worker in self.engine.start(RunSetup(run, calls), self._inbox.put)
        }
        problems = {
            call: (worker, why) for worker in self.worker_processes.values() for call, why in worker.problems.items()
        }
        if problems:
            self.engine.close()
            raise GraphError(_problem(vertex, *problems[vertex.call]) for vertex in vertices if vertex.call in problems)

    def introduction(self) -> list[Event]:
        """Return what is to be said of the worker_processes before the first node runs."""
        return [*self.describe_workers([*self.worker_processes.values()]), *self._cache_warnings()]

    def _cache_warnings(self) -> list[Event]:
        if not self._reusing:
            return []
        return [RunWarning(f"the engine {self.name} has no cache, and runs: {_named(self._reusing)}")]

    def describe_workers(self, worker_processes: Sequence[WorkerProcess]) -> list[Event]:
        """Return what is to be said of some worker_processes."""
        events: list[Event] = [joined(worker) for worker in worker_processes]
        differing: dict[str, list[str]] = {}
        for worker in worker_processes:
            for name, (here, there) in worker.differs.items():
                differing.setdefault(f"{name} is {here or 'not there'} here and {there or 'not there'}", []).append(
                    worker.address
                )
        events += [RunWarning(f"{what} at {_named(where)}") for what, where in differing.items()]
        if sampled := [worker.address for worker in worker_processes if worker.is_sampled]:
            events.append(RunWarning(f"{_SAMPLED}: {_named(sampled)}"))
        if spoilt := [worker.address for worker in worker_processes if worker.free_threaded and worker.gil]:
            events.append(RunWarning(f"the GIL is on although the build is free-threaded: {_named(spoilt)}"))
        return events

    @property
    def name(self) -> str:
        """The engine, as the run's events name it."""
        return self.engine.name

    @property
    def workers(self) -> int:
        """How many nodes run at once on the worker_processes that there are."""
        return sum([worker.threads for worker in self.worker_processes.values()])

    @property
    def has_gil(self) -> bool:
        """Whether the GIL is on anywhere."""
        return any(worker.gil for worker in self.worker_processes.values())

    def execute(
        self,
        plan: Plan,
        state: RunState,
        commands: Path,
        tell: Callable[[Event], None],
        timeout: float | None,
    ) -> None:
        """Run a plan to its end, as ``engines.threads`` does.

        What commands have written is brought into the folder ``commands``. ``tell`` is told of what is no node's.

        Raises:
            EngineLostError: the engine cannot be reached any more.
            BaseException: an error of taskrunner's own, never one of a node's.

        """
        packer = Packer(
            plan, self._run, self._local_functions, fuses=self.engine.fuses, is_journaled=state.is_journaled
        )
        timer = Timer(state.record_crash)
        around = _Listener(self, commands, tell)
        conductor = ClusterScheduler(self.engine, packer, plan, state, timer, self._inbox, around)
        state.add_view(conductor.running_at)
        state.on_stop(timer.expedite)
        state.on_stop(lambda: self._inbox.put(None))
        state.started = time.perf_counter_ns()
        if timeout is not None:
            timer.at(state.started + nanoseconds(timeout), lambda: state.time_out(timeout))
        try:
            conductor.run(self.workers)
            state.ended = time.perf_counter_ns()
            self._fetch(plan, state)
        finally:
            state.ended = state.ended or time.perf_counter_ns()
            state.close_views()
            timer.stop()
        if state.crash is not None:
            raise state.crash

    def _fetch(self, plan: Plan, state: RunState) -> None:
        """Bring the outputs here; what cannot come is a failure of its node."""
        for task in plan.output_tasks():
            try:
                task.value = self._fetched(task.value)
            except EngineLostError:
                raise
            except Exception as error:  # noqa: BLE001  it cannot be pickled, say
                task.value = MISSING
                error.add_note("the result cannot be brought here")
                call = FailedCall(task.id, plan.path_to(task), allowed=task.details.allow_failure)
                state.record_failure(describe(call, error, state.mask))

    def _fetched(self, value: Any) -> Any:
        if type(value) is ResultRef:
            return self.engine.fetch([value])[0]
        if not is_gathered(value):
            return value
        found = iter(self.engine.fetch([part for part in value if type(part) is ResultRef]))
        return [next(found) if type(part) is ResultRef else part for part in value]


class _Listener:
    """Tells of worker_processes, and brings what commands have written."""

    def __init__(self, run: ClusterBackend, commands: Path, tell: Callable[[Event], None]) -> None:
        self._run = run
        self._commands = commands
        self._tell = tell

    def on_report(self, report: StepReport, node: str) -> None:
        worker = self._run.worker_processes.get(report.worker)
        if worker is None:
            worker = self._run.worker_processes[report.worker] = self._worker_of(report)
        if report.gil and not worker.gil:
            self._run.worker_processes[report.worker] = msgspec.structs.replace(worker, gil=True)
            self._tell(RunWarning(f"the GIL came on at {report.worker} while it ran {node}"))
        if report.output_files is not None:
            self._copy_output(node, report.worker, report.output_files)

    def _worker_of(self, report: StepReport) -> WorkerProcess:
        """Return what a process is that has come since; it may be gone again, or not answer."""
        try:
            worker = self._run.engine.describe(report.worker)
        except Exception as error:  # noqa: BLE001  that is no reason to end the run
            self._tell(RunWarning(f"nothing is known of {report.worker}, which has run a node: {error}"))
            return WorkerProcess(report.worker, 1, "", free_threaded=False, gil=report.gil, host="", pid=0)
        for event in self._run.describe_workers([worker]):
            self._tell(event)
        return worker

    def on_worker_lost(self, address: str, nodes: Sequence[str]) -> None:
        self._run.worker_processes.pop(address, None)
        self._tell(SiteLeft(address, tuple(nodes)))

    def on_rerun(self, nodes: Sequence[str]) -> None:
        if nodes:
            self._tell(RunWarning(f"ran again, because their results were lost with a worker: {_named(nodes)}"))

    def _copy_output(self, node: str, address: str, written: tuple[OutputFile, OutputFile]) -> None:
        for path, found in zip(output_files(self._commands, node), written, strict=True):
            try:
                write_private(path, b"")
                with path.open("wb") as file:
                    for data in self._parts(address, found):
                        file.write(data)
            except Exception as error:  # noqa: BLE001  the worker is gone, the disk is full: the result is worth more
                self._tell(RunWarning(f'what "{node}" wrote cannot be brought here: {error}'))

    def _parts(self, address: str, found: OutputFile) -> Iterator[bytes]:
        if found.data is not None:
            yield found.data
            return
        for start in range(0, found.size, CHUNK_BYTES):
            yield self._run.engine.read_file(address, found.path, start, min(CHUNK_BYTES, found.size - start))


def _named(names: Sequence[str]) -> str:
    """Name the first of some things."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _problem(vertex: Vertex, worker: WorkerProcess, why: str) -> Problem:
    hint = "ship its package or module, or install it there"
    return Problem(("nodes", vertex.index, "call"), f"{worker.address} cannot import it: {why}", hint)


def joined(worker: WorkerProcess) -> SiteJoined:
    """Return the event that tells of a worker."""
    return SiteJoined(
        worker.address, worker.threads, worker.python, worker.free_threaded, worker.gil, worker.host, worker.pid
    )
