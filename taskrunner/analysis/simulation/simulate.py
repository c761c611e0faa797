"""What a recorded run would have taken on other numbers of workers."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from taskrunner.analysis.recorded_run import RecordedRun
from taskrunner.analysis.simulation.advice import Advice, advise
from taskrunner.analysis.simulation.bounds import bound
from taskrunner.analysis.simulation.overhead import Overhead
from taskrunner.analysis.simulation.simulator import replay
from taskrunner.analysis.simulation.workload import Workload, dag_of, workload_of

# So many nodes of the critical path are told, the longest.
NAMED = 8
# A simulation that is off by more than this share of what was measured is doubtful.
DOUBTFUL = 0.1
# As many workers as come within this share of the best wall time are enough.
NEAR = 0.05


class Prediction(msgspec.Struct, frozen=True):
    """What the run would take on so many workers.

    ``speedup`` is over one worker, ``efficiency`` that divided by the workers. ``bound_s``: what no schedule can
    beat, because of ``bound_by``; ``over_bound``: the wall time over it, less 1.
    """

    workers: int
    wall_s: float
    speedup: float
    efficiency: float
    bound_s: float
    bound_by: str
    over_bound: float


class Link(msgspec.Struct, frozen=True):
    """A node of the critical path, and its share of that."""

    node: str
    seconds: float
    share: float


class Simulation(msgspec.Struct, frozen=True):
    """A run's predictions. ``measured_s``: its own wall time, None where it was broken off or resumed.

    ``predicted_s``: the same by simulation, with the workers that it had. ``critical_path``: the longest of its nodes.
    ``notes``: what is to be known before one believes it.
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
        run: what was recorded.
        counts: the numbers of workers, at least one.
        advised: how many workers the advice is for; as many as the run's machine had processors if not given.

    Raises:
        TaskrunnerError: the run tells too little.

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
        notes=(*_notes(run), *_doubts(predicted_s, measured_s)),
    )


def wall_s(workload: Workload, workers: int) -> float:
    """Return the seconds that a workload takes on so many workers, with all that is lost."""
    return replay(workload, workers).makespan_s + workload.overhead.fixed_s


def _predict(workload: Workload, workers: int, walls: Mapping[int, float]) -> Prediction:
    wall, least = walls[workers], bound(workload, workers)
    speedup = walls[1] / wall if wall else 1.0
    over = wall / least.seconds - 1 if least.seconds else 0.0
    return Prediction(workers, wall, speedup, speedup / workers, least.seconds, least.by, over)


def _enough(predictions: Sequence[Prediction]) -> int:
    best = min(prediction.wall_s for prediction in predictions)
    return next(found.workers for found in predictions if found.wall_s <= best * (1 + NEAR))


def _links(workload: Workload) -> tuple[Link, ...]:
    path = [workload.jobs[index] for index in workload.critical_path()]
    longest = sorted([job for job in path if job.length_s], key=lambda job: -job.length_s)[:NAMED]
    whole = sum(job.length_s for job in path)
    return tuple([Link(job.node, job.length_s, job.length_s / whole) for job in longest])


def _doubts(predicted_s: float, measured_s: float | None) -> Iterator[str]:
    if measured_s and abs(predicted_s / measured_s - 1) > DOUBTFUL:
        yield "the run took another time than its simulation: it lost what is not usual, to another job, say"


def _notes(run: RecordedRun) -> list[str]:
    """Return in words why the predictions may be off."""
    notes = []
    if run.has_gil:
        notes.append("the GIL was on: calls were recorded that waited for each other, and are simulated as if none did")
    if run.done is None:
        notes.append("the run did not come to its end: simulated is what ran")
    elif run.skipped:
        notes.append(f"nodes that were skipped take no time here either: {len(run.skipped)}")
    if any(attempt.state == "cached" for attempt in run.attempts):
        notes.append("some results came from the cache: they take as long as they took to be found")
    if gone := sum(attempt.vertex < 0 for attempt in run.attempts):
        notes.append(f"left out are attempts of nodes that the graph does not have any more: {gone}")
    return notes
