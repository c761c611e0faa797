"""Context variables (case 13): each call of a node starts with those of the caller of ``run``, whatever others did."""

import asyncio
import contextvars
import decimal
import threading
from contextvars import Context, ContextVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import taskrunner
from taskrunner.execution import runner as runner_module
from taskrunner.nodes.context import LOOP_CONTEXT

BOUND = 30.0
VARIABLE: ContextVar[str] = ContextVar("variable", default="default")
# The variables of a caller: none, its own, and the context object of decimal that it has used or changed before.
CALLERS = ["empty", "variable", "used decimal", "decimal"]


def observed():
    """Return everything that this module's nodes change."""
    context = decimal.getcontext()
    flags = sorted(flag.__name__ for flag, is_set in context.flags.items() if is_set)
    return VARIABLE.get(), context.prec, context.rounding, flags


def change():
    """Observe the context, and then change all of it, also the objects in it."""
    before = observed()
    VARIABLE.set("changed")
    context = decimal.getcontext()
    context.prec, context.rounding = 5, decimal.ROUND_UP
    _ = decimal.Decimal(1) / 3  # sets flags
    return before


class Rude:
    """A value whose every method observes the context and changes it."""

    def __init__(self, seen):
        self.seen = seen

    def _act(self):
        self.seen.append(change())

    def __bool__(self):
        self._act()
        return True

    def __iter__(self):
        self._act()
        return iter([1])

    def __repr__(self):
        self._act()
        return "<Rude>"

    def __getitem__(self, _):
        self._act()
        return 1

    def __len__(self):
        self._act()
        return 1


class RudeError(Exception):
    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def __str__(self):
        self.seen.append(change())
        return "rude"


async def change_async():
    before = change()
    await asyncio.sleep(0)
    return before


async def change_in_thread():
    return await asyncio.to_thread(change)


async def change_in_executor():
    return await asyncio.get_running_loop().run_in_executor(None, change)


async def change_and_leave_task():
    before = change()
    asyncio.get_running_loop().create_task(change_async())
    return before


class Nodes:
    """Functions of nodes that record what they observe, since a node that fails returns nothing."""

    def __init__(self):
        self.seen = []

    def change(self, *_):
        self.seen.append(change())

    def change_and_fail(self, *_):
        self.seen.append(change())
        raise ValueError("as told")

    async def change_async(self, *_):
        self.seen.append(await change_async())

    async def change_async_and_fail(self, *_):
        self.seen.append(await change_async())
        raise ValueError("as told")

    async def change_in_thread(self, *_):
        self.seen.append(await change_in_thread())

    async def change_in_executor(self, *_):
        self.seen.append(await change_in_executor())

    async def change_and_leave_task(self, *_):
        self.seen.append(await change_and_leave_task())

    async def change_and_wait(self, *_):
        self.seen.append(change())
        await asyncio.sleep(BOUND)

    def change_and_wait_long(self, *_):
        self.seen.append(change())
        taskrunner.current().sleep(BOUND)
        change()

    def rude(self):
        return Rude(self.seen)

    def raise_rude(self, *_):
        raise RudeError(self.seen)

    def ignore(self, *_):
        return None


# How a graph comes to run code of its user: the function of Nodes, and the options of its node.
WAYS = {
    "flat": ("change", {}),
    "failing": ("change_and_fail", {"allow_failure": True}),
    "retried": ("change_and_fail", {"allow_failure": True, "retries": 2}),
    "with a timeout": ("change", {"timeout": BOUND}),
    "abandoned": ("change_and_wait_long", {"allow_failure": True, "timeout": 0.05}),
    "in a pool": ("change", {"pool": "one"}),
    "with a priority": ("change", {"priority": 1}),
    "conditional": ("change", {"when": True}),
    "always": ("change", {"always": True}),
    "mapped": ("change", {"map": [1, 2, 3]}),
    "mapped, retried": ("change_and_fail", {"allow_failure": True, "retries": 1, "map": [1, 2]}),
    "cached": ("change", {"cache": True}),
    "async": ("change_async", {}),
    "async, mapped": ("change_async", {"map": [1, 2]}),
    "async, retried": ("change_async_and_fail", {"allow_failure": True, "retries": 2}),
    "async, timed out": ("change_and_wait", {"allow_failure": True, "timeout": 0.05}),
    "async, to_thread": ("change_in_thread", {}),
    "async, run_in_executor": ("change_in_executor", {"map": list(range(8))}),
    "async, with a stray task": ("change_and_leave_task", {}),
}
# The same for code of the user that no node calls: the node, given one that returns a Rude and a Nodes.
METHODS = {
    "condition": lambda g, nodes, rude: g.call(nodes.ignore, when=rude),
    "async condition": lambda g, nodes, rude: g.call(nodes.change_async, when=rude),
    "items": lambda g, nodes, rude: g.call(nodes.ignore, map=rude),
    "path": lambda g, nodes, rude: g.call(nodes.ignore, rude[0], timeout=BOUND),
    "argument of a failure": lambda g, nodes, rude: g.call(nodes.change_and_fail, rude, allow_failure=True),
    "error": lambda g, nodes, rude: g.call(nodes.raise_rude, rude, allow_failure=True),
    "retried error": lambda g, nodes, rude: g.call(nodes.raise_rude, rude, retries=1, allow_failure=True),
}


def in_caller(kind, function):
    """Return the context variables of a caller, and the result of a function that it calls."""
    context = Context()

    def call():
        if kind == "variable":
            VARIABLE.set("caller")
        if "decimal" in kind:
            decimal.getcontext()
        if kind == "decimal":
            decimal.getcontext().prec = 50
        expected = contextvars.copy_context().run(observed)
        result = function()
        assert observed() == expected, "a node changed the context of the caller"
        return expected, result

    return context.run(call)


def run(graph, **options):
    result = taskrunner.run(graph, stop_after=0, **options)
    assert not [failure for failure in result.failures if not failure.allowed]
    return result


def build(ways, nodes):
    """Return a graph with one node for each way, each after the one before, so that one worker runs them all."""
    graph = taskrunner.Graph(pools={"one": 1})
    previous = []
    for number, (function, options) in enumerate(ways):
        previous = [graph.call(getattr(nodes, function), id=f"n{number}", needs=previous, **options)]
    return graph


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("way", WAYS)
def test_a_node_sees_the_caller_s_context_and_changes_no_other(way, caller, tmp_path):  # case 13
    nodes = Nodes()
    graph = build([WAYS[way], WAYS["flat"], WAYS["async"], WAYS[way], WAYS["flat"]], nodes)
    expected, _ = in_caller(caller, lambda: run(graph, workers=1, cache_dir=tmp_path))
    assert len(nodes.seen) >= 5
    assert [seen for seen in nodes.seen if seen != expected] == []


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("method", METHODS)
def test_a_method_of_a_value_changes_no_context(method, caller):  # case 13
    nodes = Nodes()
    graph = taskrunner.Graph()
    rude = graph.call(nodes.rude, id="rude")
    first = METHODS[method](graph, nodes, rude)
    between = graph.call(nodes.change, id="between", needs=[first])
    second = METHODS[method](graph, nodes, rude)
    graph.call(nodes.change, id="last", needs=[between, second])
    expected, _ = in_caller(caller, lambda: run(graph, workers=1))
    assert len(nodes.seen) >= 4
    # One node may call several methods: the first of them sees the caller's context, and no other node its changes.
    changed = ("changed", 5, decimal.ROUND_UP, ["Inexact", "Rounded"])
    assert [seen for seen in nodes.seen if seen not in (expected, changed)] == []
    assert nodes.seen[0] == nodes.seen[-1] == expected


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(WAYS)), st.lists(st.integers(0, 20), max_size=3)), max_size=12),
    st.sampled_from(CALLERS),
    st.integers(1, 3),
    st.none() | st.integers(0, 99),
)
def test_no_context_leaks_in_any_graph(shape, caller, workers, seed):  # case 13
    nodes = Nodes()
    graph = taskrunner.Graph(pools={"one": 1})
    handles = []
    for number, (way, needs) in enumerate(shape):
        function, options = WAYS[way]
        if way == "cached":
            options = {}
        before = {handles[need % number] for need in needs} if number else set()
        handles.append(graph.call(getattr(nodes, function), id=f"n{number}", needs=sorted(before, key=str), **options))
    expected, _ = in_caller(caller, lambda: run(graph, workers=workers, shuffle=seed))
    assert len(nodes.seen) >= len(shape)
    assert [seen for seen in nodes.seen if seen != expected] == []


@pytest.mark.parametrize("way", ["flat", "retried", "mapped"])
def test_a_shared_context_would_be_noticed(way, monkeypatch):  # case 13: the tests above find it
    shared = Context()
    monkeypatch.setattr(runner_module, "context_factory", lambda _: lambda: shared)
    nodes = Nodes()
    run(build([WAYS[way], WAYS["flat"]], nodes), workers=1)
    assert nodes.seen[-1][:2] == ("changed", 5)


def test_a_node_after_an_abandoned_call_sees_the_caller_s_context():  # case 13
    """The call goes on beside the worker's new thread, and changes its own context meanwhile."""
    gate, seen = threading.Event(), []

    def stuck():
        change()
        gate.wait(BOUND)
        change()

    graph = taskrunner.Graph()
    graph.call(stuck, id="stuck", timeout=0.05, allow_failure=True)
    graph.call(lambda: seen.append(change()), id="beside", needs=["stuck"])
    graph.call(lambda: (gate.set(), seen.append(change())), id="after", needs=["beside"])
    expected, _ = in_caller("decimal", lambda: run(graph, workers=1))
    assert seen == [expected, expected]


def test_a_call_keeps_its_context_to_its_end():  # case 13
    """Two calls at once on two workers, each with changes of its own."""
    barrier = threading.Barrier(2, timeout=BOUND)

    def act(precision):
        with decimal.localcontext(prec=precision):
            VARIABLE.set(str(precision))
            barrier.wait()
            return VARIABLE.get(), str(decimal.Decimal(1) / 3)

    graph = taskrunner.Graph()
    graph.call(act, 3, id="three")
    graph.call(act, 4, id="four")
    _, result = in_caller("decimal", lambda: run(graph, workers=2))
    assert result.outputs == {"three": ("3", "0.333"), "four": ("4", "0.3333")}


def test_the_caller_s_context_is_that_at_the_time_of_the_call():
    """A signal handler, or whoever else changes the caller's variables during the run, changes no node's."""
    seen = []
    graph = taskrunner.Graph()
    graph.call(lambda: seen.append(VARIABLE.get()), id="first")

    class Changing:
        def on_events(self, _):
            VARIABLE.set("observer")

        def close(self):
            pass

    def call():
        VARIABLE.set("one")
        run(graph, workers=1, observers=[Changing()])
        VARIABLE.set("two")
        run(graph, workers=1, observers=[Changing()])

    Context().run(call)
    assert seen == ["one", "two"]


def test_numpy_s_error_handling_is_that_of_the_caller():  # case 13
    numpy = pytest.importorskip("numpy", minversion="2")

    def act(how):
        before = numpy.geterr()["divide"]
        numpy.seterr(divide=how)
        return before

    graph = taskrunner.Graph()
    first = graph.call(act, "raise", id="first")
    graph.output(first, graph.call(act, "print", id="second", needs=[first]))

    def call():
        with numpy.errstate(divide="call"):
            return run(graph, workers=1).outputs

    assert Context().run(call) == {"first": "call", "second": "call"}


def test_a_value_of_the_caller_is_not_copied():
    """A context holds references: an object that nodes change in place is one object, as with a thread or asyncio."""
    box = ContextVar("box")

    def call():
        box.set([])
        graph = taskrunner.Graph()
        graph.call(lambda: box.get().append(1), id="a")
        run(graph, workers=1)
        return box.get()

    assert Context().run(call) == [1]


# -- current() ------------------------------------------------------------------------------------------


def inner_nodes():
    """Return what the nodes of a nested run, and threads that they start, take for their node."""

    def find():
        try:
            return taskrunner.current().node
        except taskrunner.errors.UsageError:
            return None

    async def find_async():
        return find(), await asyncio.to_thread(find), await asyncio.get_running_loop().run_in_executor(None, find)

    def in_thread():
        found = []
        # A thread that inherits the variables of the thread that starts it, as all do on free-threaded 3.14.
        thread = threading.Thread(target=contextvars.copy_context().run, args=(lambda: found.append(find()),))
        thread.start()
        thread.join()
        return found[0]

    graph = taskrunner.Graph()
    graph.call(find, id="flat")
    graph.call(find, id="special", timeout=BOUND)
    graph.call(find_async, id="async")
    graph.call(in_thread, id="thread")
    return run(graph, workers=2).outputs


INNER = {"flat": "flat", "special": "special", "async": ("async", "async", "async"), "thread": None}


async def inner_nodes_from_async():
    return await asyncio.to_thread(inner_nodes)


@pytest.mark.parametrize("function", [inner_nodes, inner_nodes_from_async])
def test_a_node_of_a_nested_run_is_not_taken_for_the_outer_one(function):
    assert function is not inner_nodes or inner_nodes() == INNER
    graph = taskrunner.Graph()
    graph.call(function, id="outer")
    assert run(graph, workers=1).outputs == {"outer": INNER}


def test_the_thread_decides_first_which_node_runs():
    """A variable of another node, inherited or copied, does not count on a worker's thread (case 45)."""
    other = contextvars.copy_context()
    other.run(LOOP_CONTEXT.set, "another node")
    graph = taskrunner.Graph()
    graph.call(lambda: other.copy().run(lambda: taskrunner.current().node), id="mine")
    assert run(graph, workers=1).outputs == {"mine": "mine"}


def test_a_nested_run_sees_the_context_of_the_node_that_calls_it():
    def outer():
        VARIABLE.set("outer")
        graph = taskrunner.Graph()
        graph.call(VARIABLE.get, id="inner")
        return run(graph, workers=1).outputs["inner"]

    graph = taskrunner.Graph()
    first = graph.call(outer, id="first")
    second = graph.call(VARIABLE.get, id="second", needs=[first])
    graph.output(first, second)
    assert Context().run(run, graph, workers=1).outputs == {"first": "outer", "second": "default"}
