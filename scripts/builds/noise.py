"""A difference told apart from noise, as pyperf does: Student's two-sample, two-tailed t-test at 95 %."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyperf
from pyperf._utils import is_significant  # `pyperf compare_to` calls it; there is no public name for it

NAMED = {"s": "second", "B": "byte"}


def differs(one: Sequence[float], other: Sequence[float]) -> bool | None:
    """Say whether two samples of the same size differ by more than noise; None: so few values cannot tell."""
    if min(len(one), len(other)) < 2:  # noqa: PLR2004  one value has no spread
        return None
    if len({*one}) == len({*other}) == 1:
        return one[0] != other[0]  # without any spread there is no noise, and no t
    return bool(is_significant(one, other)[0])


def deviation(values: Sequence[float]) -> float:
    """Return the median absolute deviation from the median."""
    middle = statistics.median(values)
    return statistics.median(abs(value - middle) for value in values)


def write_suite(path: Path, samples: Mapping[str, Sequence[float]]) -> None:
    """Write the seconds of one build by name, for ``python -m pyperf compare_to``."""
    runs = {
        name: [
            pyperf.Run([value], metadata={"name": name, "unit": "second"}, collect_metadata=False) for value in values
        ]
        for name, values in samples.items()
    }
    pyperf.BenchmarkSuite([pyperf.Benchmark(of_name) for of_name in runs.values()]).dump(str(path), replace=True)
