"""One shape with one body, on all sides in turn."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmark.bodies import CLASSIC, Body
from benchmark.figure import CALL, RUN, Figure, in_turn, seconds_of
from benchmark.job import Job, of_body
from benchmark.shapes import SHAPES
from benchmark.sides import Prepared, Side, WrongResultError

CHECKED_NODES = 2_000  # more would take longer than the measuring


@dataclass(frozen=True)
class Case:
    """What was measured of one shape with one body."""

    shape: str
    body: str
    figures: list[Figure]

    def find(self, kind: str, workers: int, part: str = CALL) -> Figure | None:
        """Return the figure of a side, if it was measured."""
        for figure in self.figures:
            if (figure.side.kind, figure.side.workers, figure.part) == (kind, workers, part):
                return figure
        return None

    def base(self, figure: Figure, part: str) -> Figure | None:
        """Return what a figure is compared with: the runner with as many workers."""
        return self.find("taskrunner", figure.side.workers, part)

    def ceiling(self, workers: int) -> "Ceiling | None":
        """Return how much of the machine's own speed-up the runner reached."""
        serial, bare = self.find("serial", 1), self.find("bare", workers)
        call, run = (self.find("taskrunner", workers, part) for part in (CALL, RUN))
        if not (serial and bare and call and run):
            return None
        spread = max(figure.spread for figure in (serial, bare, call, run))
        return Ceiling(workers, serial.over(bare), serial.over(call), serial.over(run), spread)

    def ceilings(self) -> list["Ceiling"]:
        """Return the ceiling for every number of workers that was measured."""
        workers = sorted({figure.side.workers for figure in self.figures})
        return [found for k in workers if (found := self.ceiling(k))]

    def as_json(self) -> dict[str, Any]:
        """Return the figures with their ratios to the runner's."""
        return {
            "shape": self.shape,
            "body": self.body,
            "figures": [figure.as_json() | {"over": self._ratios(figure)} for figure in self.figures],
            "ceiling": [ceiling.as_json() for ceiling in self.ceilings()],
        }

    def _ratios(self, figure: Figure) -> dict[str, float]:
        bases = {part: self.base(figure, part) for part in (CALL, RUN)}
        return {part: figure.over(base) for part, base in bases.items() if base}


@dataclass(frozen=True)
class Ceiling:
    """The speed-ups over the serial loop with so many workers, and the worst spread among the sides.

    The runner has two: of the whole call, and of the run proper.
    """

    workers: int
    bare: float
    call: float
    run: float
    spread: float

    @property
    def share_call(self) -> float:
        """The whole call's speed-up over that of bare threads."""
        return self.call / self.bare

    @property
    def share_run(self) -> float:
        """The run's own speed-up over that of bare threads."""
        return self.run / self.bare

    def as_json(self) -> dict[str, Any]:
        """Return the speed-ups and the shares."""
        return asdict(self) | {"share_call": self.share_call, "share_run": self.share_run}


class Entry:
    """A side that is ready, and the figures that it fills."""

    def __init__(self, side: Side, job: Job, expected: list[Any], checked: int) -> None:
        self.side = side
        self.expected = expected
        self.prepared: Prepared = side.prepare(job)
        parts = (CALL, RUN) if side.kind == "taskrunner" else (CALL,)
        self.figures = {part: Figure(side, len(job.names), checked, part) for part in parts}

    def take(self) -> Any:
        """Run once, look at what it gave, and keep the times; return what it gave."""
        seconds, raw = seconds_of(self.prepared.run)
        found = self.prepared.read(raw)
        if found.values != self.expected:
            raise WrongResultError(f"{self.side.name} gave a wrong result")
        self.figures[CALL].seconds.append(seconds)
        if found.run_s is not None and RUN in self.figures:
            self.figures[RUN].seconds.append(found.run_s)
        return raw

    def warm_up(self) -> None:
        """Run once and keep nothing."""
        self.take()
        for figure in self.figures.values():
            figure.seconds.clear()


def measure(shape: str, body: Body, among: Sequence[Side], nodes: int, rounds: int) -> Case:
    """Check and warm up every side that suits, then measure them in turn."""
    suited = [side for side in among if side.suits(shape, body.name)]
    jobs = {n: of_body(body, SHAPES[shape](n)) for n in {min(nodes, side.most_nodes) for side in suited}}
    entries = [_ready(side, shape, body, jobs[min(nodes, side.most_nodes)]) for side in suited]
    if body is not CLASSIC:  # seconds long: nothing of it needs warming
        for entry in entries:
            entry.warm_up()
    for number in range(rounds):
        for entry in in_turn(entries, number):
            entry.take()
    return Case(shape, body.name, all_figures(entries))


def all_figures(entries: Sequence[Entry]) -> list[Figure]:
    """Return the figures of all sides, in the order of the sides."""
    return [figure for entry in entries for figure in entry.figures.values()]


def _ready(side: Side, shape: str, body: Body, job: Job) -> Entry:
    checked = side.check(SHAPES[shape](min(len(job.names), CHECKED_NODES)))
    return Entry(side, job, [body.result] * len(job.sinks), checked)
