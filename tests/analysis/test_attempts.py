import pytest

from taskrunner.analysis.attempts import ASYNC, COMMAND, OFFLOADED, WORKER, is_offloaded
from taskrunner.analysis.recorded_run import kind_of

NODES = ({"id": "call", "call": "m:f"}, {"id": "command", "run": "true"})


@pytest.mark.parametrize(
    ("node", "worker", "has_graph", "kind"),
    [
        ("call", 0, True, WORKER),
        ("call", -1, True, ASYNC),
        ("command", -1, True, COMMAND),
        ("command", -1, False, OFFLOADED),
        ("stranger", -1, True, OFFLOADED),
        ("stranger", 1, False, WORKER),
    ],
)
def test_where_an_attempt_ran_tells_what_it_was(recording, node, worker, has_graph, kind):
    run = recording(*NODES).done(node, 0.0, 1.0, worker=worker).run(has_graph=has_graph)
    assert kind_of(run, run.attempts[0]) == kind
    assert is_offloaded(run.attempts[0]) == (worker == -1)
