"""What is printed: one block for each case, and lines that put the ratios side by side."""

from collections.abc import Iterator, Sequence

from benchmark.case import Case
from benchmark.figure import CALL, RUN, Figure
from benchmark.wakeup import Wakeup
from benchmark.workflow import Makespan, Workflow

KEY = """\
over call, over run: the time over that of taskrunner with as many workers, of its whole call and of the
run proper. spread: the slowest round over the fastest. ~: the difference is within the noise, that is,
not larger than a spread."""
HEAD = f"  {'side':20}{'nodes':>8}{'us/node':>12}{'spread':>8}{'over call':>13}{'over run':>13}"


def case(found: Case) -> Iterator[str]:
    """Give the block of one shape with one body.

    A ``~`` stands before a ratio that is within the noise.
    """
    yield f"{found.shape}, body {found.body}"
    yield HEAD
    for figure in found.figures:
        ratios = "".join(f"{_ratio(figure, found.base(figure, part)):>13}" for part in (CALL, RUN))
        yield f"  {figure.name:20}{figure.nodes:>8}{figure.us_per_node:>12.2f}{figure.spread:>8.2f}{ratios}"


def sentence(found: Case, workers: int) -> str:
    """Say in one line how the sides compare at so many workers."""
    ours = found.find("taskrunner", workers)
    if ours is None:
        return ""
    run = found.find("taskrunner", workers, RUN)
    parts = [f"taskrunner {workers}: {ours.us_per_node:.2f} us/node"]
    parts += [f"its run {run.us_per_node:.2f}"] if run else []
    others = [figure for figure in found.figures if figure.side.kind not in ("taskrunner", "serial", "bare")]
    parts += [f"{f.side.kind} {_ratio(f, ours)}" for f in others if f.side.workers == workers]
    return f"{found.shape + ' ' + found.body:16}{'; '.join(parts)}"


def ceilings(cases: Sequence[Case]) -> Iterator[str]:
    """Give the speed-ups over the serial loop, and the runner's share of the bare threads' one."""
    rows = [(found, ceiling) for found in cases for ceiling in found.ceilings()]
    if not rows:
        return
    yield "Speed-up over the serial loop; share: the runner's over that of bare threads, the calls split by hand"
    columns = "".join(f"{name:>12}" for name in ("bare", "call", "run", "share call", "share run"))
    yield f"  {'graph':16}{'workers':>8}{columns}{'spread':>8}"
    for found, one in rows:
        numbers = f"{one.bare:>12.2f}{one.call:>12.2f}{one.run:>12.2f}{one.share_call:>12.3f}{one.share_run:>12.3f}"
        yield f"  {found.shape + ' ' + found.body:16}{one.workers:>8}{numbers}{one.spread:>8.2f}"


def wakeups(found: Sequence[Wakeup]) -> Iterator[str]:
    """Give how long a sleeping thread took to start what another made ready."""
    if not found:
        return
    yield "From ready to started on a thread that slept; the one that woke it then sleeps or computes"
    yield f"  {'side':20}{'then':>10}{'repeats':>8}{'median':>12}{'9 in 10':>12}"
    for side in found:
        times = f"{side.median_s * 1e6:>9.0f} us{side.p90_s * 1e6:>9.0f} us"
        yield f"  {side.side:20}{side.after:>10}{len(side.seconds):>8}{times}"


def workflow(recorded: Workflow, found: Sequence[Makespan]) -> Iterator[str]:
    """Give the makespans of a recorded workflow over their lower bounds."""
    yield f"{recorded.name}: {len(recorded.seconds)} nodes, {sum(recorded.seconds):.2f} s of work"
    yield f"  {'side':20}{'makespan':>12}{'over bound':>13}{'spread':>8}"
    for makespan in found:
        numbers = f"{makespan.figure.median_s:>10.3f} s{makespan.over_bound:>13.3f}{makespan.spread:>8.2f}"
        yield f"  {makespan.figure.name:20}{numbers}"


def _ratio(figure: Figure, base: Figure | None) -> str:
    if base is None or figure is base:
        return "-"
    ratio = figure.over(base)
    digits = 1 if ratio >= 10 else 2  # noqa: PLR2004  more would be noise
    return f"{'~' if figure.is_noise(base) else ''}{ratio:.{digits}f}x"
