import pytest

from taskrunner.analysis.graph_view.colors import apply_color
from taskrunner.analysis.graph_view.status import Children, NodeStatus
from taskrunner.analysis.graph_view.text import format_levels, format_nodes
from taskrunner.analysis.graph_view.view import EdgeView, GraphView, NodeBox, RunHeader


def box(name, level=0, needs=(), kind="m:f", **fields):
    return NodeBox(name, kind, kind, level, False, False, tuple(EdgeView(i, is_used=True) for i in needs), **fields)  # noqa: FBT003


RUN = RunHeader("20260101-000000-abcdef0", "failed", 2.0, 1.5)
MARKED = GraphView(
    "g",
    [
        box("load", status=NodeStatus("done", 0.5, worker=0, attempts=3, critical=True)),
        box("allowed", status=NodeStatus("allowed", 0.002, worker=0, attempts=1)),
        box("many", 1, [0], status=NodeStatus("failed", 1.0, critical=True, children=Children(4, 1, "many[2]", 0.75))),
        box("off", 1, [0], status=NodeStatus("skipped", reason="when")),
        box("end", 2, [2], status=NodeStatus("skipped", reason="needs", because="many[2]")),
        box("late", 2, [2], status=NodeStatus("skipped", reason="stopped", because="many[2]")),
        box("later", 2, [2], status=NodeStatus("skipped", reason="stopped")),
        box("new", 2, status=NodeStatus("unknown")),
    ],
    ["end"],
    RUN,
)
TEXT = """\
level 0
  load  m:f            * done             500.0 ms  3 attempts
  allowed  m:f           failed, allowed    2.0 ms
level 1
  many  m:f  <- load   * failed             1.00 s  4 children, 1 failed, slowest many[2] 750.0 ms
  off  m:f  <- load      skipped                    its condition is false
level 2
  end  m:f  <- many      skipped                    because of many[2]
  late  m:f  <- many     skipped                    stopped by many[2]
  later  m:f  <- many    skipped                    the run was stopped
  new  m:f               not in the run
outputs: end
run: 20260101-000000-abcdef0, failed, 2.00 s; * is the critical path, 1.50 s
"""


def test_states_and_times_stand_in_columns():
    assert format_nodes(MARKED) == TEXT


def test_colours_change_nothing_but_the_colour():
    drawn = format_nodes(MARKED, apply_color)
    assert "\x1b[36;1mdone           \x1b[0m" in drawn
    assert "\x1b[31;1mfailed         \x1b[0m" in drawn
    assert "\x1b[2mskipped        \x1b[0m" in drawn
    for code in ("36;1", "31;1", "33", "2", "0"):
        drawn = drawn.replace(f"\x1b[{code}m", "")
    assert [line.rstrip() for line in drawn.splitlines()] == TEXT.splitlines()


def test_a_level_keeps_the_order_of_the_file():
    drawn = format_nodes(GraphView("", [box("z", 1, [1]), box("b"), box("a")], ["z"]))
    assert drawn == "level 0\n  b  m:f\n  a  m:f\nlevel 1\n  z  m:f  <- b\noutputs: z\n"


def test_what_is_left_out_of_a_cut_graph():
    drawn = format_nodes(
        GraphView(
            "",
            [
                box("a", 3, hidden_successors=1),
                box("b", 4, [0], hidden_predecessors=12),
                box("c", 5, hidden_predecessors=1234, hidden_successors=2),
            ],
            [],
        )
    )
    assert drawn == (
        "level 3\n  a  m:f  (+1 more after)\nlevel 4\n  b  m:f  <- a  (+12 more before)\n"
        "level 5\n  c  m:f  (+1,234 more before)  (+2 more after)\n"
    )


def test_one_long_line_does_not_push_the_others_aside():
    long = box("x" * 200, status=NodeStatus("done", 1.0, worker=0, attempts=1))
    drawn = format_nodes(GraphView("", [box("a", status=NodeStatus("done", 1.0, worker=0, attempts=1)), long], []))
    assert drawn.splitlines()[1] == "  a  m:f    done    1.00 s"
    assert drawn.splitlines()[2] == f"  {'x' * 200}  m:f    done    1.00 s"


def test_of_many_needs_the_first_are_named():
    many = [box(f"n{i}") for i in range(1100)]
    drawn = format_nodes(GraphView("", [*many, box("end", 1, range(1100))], []))
    assert drawn.splitlines()[-1] == "  end  m:f  <- n0, n1, n2, n3, n4, n5, n6, n7 (+1,092 more)"


def test_a_digest_has_a_line_for_each_level():
    ran, failed = (NodeStatus(state, 0.5, worker=0, attempts=1) for state in ("done", "failed"))
    kinds = [box(f"k{i}", 1, [0], kind=f"m:{i:02}", status=ran) for i in range(10)]
    boxes = [*(box(f"n{i}", status=ran) for i in range(1500)), box("x", kind="$ gcc", status=failed), *kinds]
    assert format_levels(GraphView("", boxes, [])) == (
        "level 0: 1,501 nodes: 1,500 m:f, 1 $ gcc; 1,500 done, 1 failed, 750 s\n"
        "level 1: 10 nodes: 1 m:00, 1 m:01, 1 m:02, 1 m:03, 1 m:04, 1 m:05, 1 m:06, 1 m:07, 2 others; 10 done, 5.00 s\n"
    )
    assert format_levels(GraphView("", [box("a")], ["a"])) == "level 0: 1 node: 1 m:f\noutputs: a\n"


@pytest.mark.parametrize("form", [format_nodes, format_levels])
def test_names_are_fit_for_a_terminal(form):
    evil = "\x1b[31m\n"
    mark = NodeStatus("skipped", reason="needs", because=evil)
    assert form(GraphView(evil, [box(evil, kind=evil, status=mark)], [evil], RUN)).replace("\n", "").isprintable()
