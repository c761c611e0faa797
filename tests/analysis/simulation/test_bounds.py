"""What no schedule can beat."""

import pytest

from taskrunner.analysis.attempts import ASYNC, COMMAND
from taskrunner.analysis.simulation.bounds import Bound, bound
from taskrunner.analysis.simulation.workload import Workload

DB = {"seconds": 4, "limits": ("db",)}


@pytest.mark.parametrize(
    ("described", "found"),
    [
        ([(1,), (2, 0), (3, 1)], Bound(6, "critical path")),
        ([(4,), (4,), (4,)], Bound(6, "work")),
        ([({"seconds": 4, "kind": COMMAND},)] * 3, Bound(6, "commands")),
        ([(DB,), (DB,), (DB,)], Bound(12, "pool db")),
        ([({"seconds": 4, "kind": ASYNC},)] * 3, Bound(4, "critical path")),
        ([({"seconds": (1.0, 1.0), "retry_delays": (7.0,)},)], Bound(9, "critical path")),
    ],
)
def test_the_largest_bound_of_two_workers(hand, described, found):
    assert bound(hand.workload(*described, pools={"db": 1}), 2) == found


def test_overheads_are_no_part_of_a_bound(hand):
    assert bound(hand.workload((1,), (1, 0), node_s=5), 1) == Bound(2, "critical path")


def test_nothing_takes_no_time():
    assert bound(Workload(()), 4).seconds == 0
