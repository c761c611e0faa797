"""Predicted wall times of a recorded run on other numbers of workers."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from taskrunner.analysis.recorded_run import RecordedRun
from taskrunner.analysis.simulation.advice import Advice, advise
from taskrunner.analysis.simulation.bounds import bound
from taskrunner.analysis.simulation.overhead import Overhead
from taskrunner.analysis.simulation.simulator import replay
from taskrunner.analysis.simulation.workload import Workload, dag_of, workload_of

# The critical path is shown by at most this many nodes, the longest ones.
MAX_PATH_NODES = 8
# A prediction that differs from the measured wall time by more than this share gets a caveat.
MAX_ERROR = 0.1
# The fewest workers whose wall time is within this share of the best one are enough.
NEAR_BEST = 0.05


class Prediction(msgspec.Struct, frozen=True):
    """The predicted wall time of a run on a number of workers.

    ``speedup``: relative to one worker; ``efficiency``: the speed-up divided by the workers.
    ``bound_s``: the lower bound of any schedule, caused by ``bound_by``.
    ``over_bound``: the wall time divided by the bound, less 1.
    """

    workers: int
    wall_s: float
    speedup: float
    efficiency: float
    bound_s: float
    bound_by: str
    over_bound: float


class Link(msgspec.Struct, frozen=True):
    """A node of the critical path, and its share of the path's seconds."""

    node: str
    seconds: float
    share: float


class Simulation(msgspec.Struct, frozen=True):
    """The predictions for a run.

    ``measured_s``: the wall time of the run, None for a killed or resumed run.
    ``predicted_s``: the simulated wall time with the workers of the run.
    ``enough``: the fewest workers whose wall time is near the best one.
    ``critical_path``: its longest nodes.
    ``notes``: caveats, the reasons why the predictions may be off.
    """

    run: str
    graph: str
    nodes: int
    workers: int
    measured_s: float | None
    predicted_s: float
    overhead: Overhead
    ranked: bool
    predictions: tuple[Prediction, ...]
    enough: int
    critical_path_s: float
    critical_path: tuple[Link, ...]
    advice: Advice
    notes: tuple[str, ...]


def simulate(run: RecordedRun, counts: Sequence[int], advised: int | None = None) -> Simulation:
    """Replay a run on several numbers of workers, the smallest first.

    Args:
        run: the recorded run.
        counts: the numbers of workers, at least one.
        advised: the number of workers for the advice; by default the number of processors of the run's machine.

    Raises:
        TaskrunnerError: the run has no recorded duration, or its graph is missing.

    """
    workload = workload_of(run)
    walls = {workers: wall_s(workload, workers) for workers in {1, run.start.workers, *counts}}
    predictions = tuple([_predict(workload, workers, walls) for workers in sorted(set(counts))])
    measured_s = run.wall_s if run.done is not None and len(run.parts) == 1 else None
    predicted_s = walls[run.start.workers]
    advised = advised or run.start.processors or max(counts)
    return Simulation(
        run=run.id,
        graph=run.name,
        nodes=len(run.last),
        workers=run.start.workers,
        measured_s=measured_s,
        predicted_s=predicted_s,
        overhead=workload.overhead,
        ranked=workload.ranked,
        predictions=predictions,
        enough=_enough(predictions),
        critical_path_s=max(workload.tails()),
        critical_path=_links(workload),
        advice=advise(workload, dag_of(run), advised),
        notes=(*_recording_caveats(run), *_error_caveats(predicted_s, measured_s)),
    )


def wall_s(workload: Workload, workers: int) -> float:
    """Return the seconds that a workload takes on a number of workers, including all overheads."""
    return replay(workload, workers).makespan_s + workload.overhead.fixed_s


def _predict(workload: Workload, workers: int, walls: Mapping[int, float]) -> Prediction:
    wall, least = walls[workers], bound(workload, workers)
    speedup = walls[1] / wall if wall else 1.0
    over_bound = wall / least.seconds - 1 if least.seconds else 0.0
    return Prediction(workers, wall, speedup, speedup / workers, least.seconds, least.by, over_bound)


def _enough(predictions: Sequence[Prediction]) -> int:
    best = min(prediction.wall_s for prediction in predictions)
    return next(prediction.workers for prediction in predictions if prediction.wall_s <= best * (1 + NEAR_BEST))


def _links(workload: Workload) -> tuple[Link, ...]:
    path = [workload.jobs[index] for index in workload.critical_path()]
    longest = sorted([job for job in path if job.length_s], key=lambda job: -job.length_s)[:MAX_PATH_NODES]
    path_s = sum(job.length_s for job in path)
    return tuple([Link(job.node, job.length_s, job.length_s / path_s) for job in longest])


def _error_caveats(predicted_s: float, measured_s: float | None) -> Iterator[str]:
    if measured_s and abs(predicted_s / measured_s - 1) > MAX_ERROR:
        yield (
            f"the prediction differs from the measured time by more than {MAX_ERROR:.0%}: "
            "the run had unusual delays, for example from another job"
        )


def _recording_caveats(run: RecordedRun) -> list[str]:
    caveats = []
    if run.has_gil:
        caveats.append("the GIL was on: recorded calls waited for each other, and the simulation runs them in parallel")
    if run.done is None:
        caveats.append("the run did not finish: only its recorded attempts are simulated")
    elif run.skipped:
        caveats.append(f"skipped nodes take no time in the simulation either: {len(run.skipped)}")
    if any(attempt.state == "cached" for attempt in run.attempts):
        caveats.append("some results came from the cache: their nodes take only the time of the cache lookup")
    if gone := sum(attempt.vertex < 0 for attempt in run.attempts):
        caveats.append(f"attempts of nodes that are no longer in the graph are left out: {gone}")
    return caveats
