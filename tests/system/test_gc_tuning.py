"""The garbage collector's settings belong to the process: they are what they were after each load and each run."""

import gc
import sys
import threading

import pytest

import taskrunner
from taskrunner.plan.task import Task
from taskrunner.system import gc_tuning as collector

BOUND = 30.0


def settings():
    return gc.isenabled(), gc.get_threshold(), gc.get_freeze_count() > 0


@pytest.fixture(autouse=True)
def _put_back():
    enabled, threshold, _ = settings()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)
    (gc.enable if enabled else gc.disable)()


USERS = {
    "as ever": lambda: None,
    "disabled": gc.disable,
    "frozen": gc.freeze,
    "low": lambda: gc.set_threshold(500, 5, 7),
    "high": lambda: gc.set_threshold(10**8, 5, 7),
    "off": lambda: gc.set_threshold(0, 10, 10),
    "all": lambda: (gc.disable(), gc.freeze(), gc.set_threshold(500, 5, 7)),
}


@pytest.fixture(params=USERS)
def before(request):
    """Have the user set something, and return all settings."""
    USERS[request.param]()
    return settings()


def fail():
    raise ValueError("no luck")


# -- the two scopes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", [collector.paused, lambda: collector.raised_threshold(10)], ids=["paused", "spared"])
def test_settings_are_put_back(before, scope):
    with scope():
        pass
    assert settings() == before


@pytest.mark.parametrize("scope", [collector.paused, lambda: collector.raised_threshold(10)], ids=["paused", "spared"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_settings_are_put_back_after_an_error(before, scope, error):
    with pytest.raises(error), scope():
        raise error
    assert settings() == before


@pytest.mark.parametrize("scope", [collector.paused, lambda: collector.raised_threshold(10)], ids=["paused", "spared"])
@pytest.mark.parametrize("first_out", [0, 1])
def test_settings_are_put_back_when_the_last_of_overlapping_scopes_is_left(before, scope, first_out):
    with scope():
        inside = settings()
    scopes = [scope(), scope()]
    for each in scopes:
        each.__enter__()
    scopes[first_out].__exit__(None, None, None)
    assert settings() == inside
    scopes[1 - first_out].__exit__(None, None, None)
    assert settings() == before


def test_a_paused_collector_rests():
    with collector.paused():
        assert not gc.isenabled()


def test_a_spared_collector_leaves_the_graph_alone_and_goes_on_with_the_rest():
    before = gc.get_threshold()
    with collector.raised_threshold(1000):
        assert gc.isenabled()
        assert gc.get_threshold() == (collector.BASE_THRESHOLD + 1000 * collector.CONTAINERS_PER_NODE, *before[1:])
        with collector.raised_threshold(2000):
            assert gc.get_threshold() == (collector.BASE_THRESHOLD + 2000 * collector.CONTAINERS_PER_NODE, *before[1:])


@pytest.mark.parametrize("threshold", [(0, 10, 10), (10**8, 5, 7)], ids=["off", "high"])
def test_a_collector_that_looks_less_often_anyway_is_not_made_to_look_more_often(threshold):
    gc.set_threshold(*threshold)
    with collector.raised_threshold(1000):
        assert gc.get_threshold() == threshold


def test_scopes_on_many_threads_leave_the_settings_as_they_were():
    before, together = settings(), threading.Barrier(4)

    def act():
        together.wait(BOUND)
        for number in range(25):
            with collector.paused():
                assert not gc.isenabled()
            with collector.raised_threshold(number):
                assert gc.get_threshold()[0] >= collector.BASE_THRESHOLD

    threads = [threading.Thread(target=act) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert settings() == before


# -- loading and running -------------------------------------------------------------------------------


def test_settings_are_put_back_after_a_load(before, tmp_path):
    path = tmp_path / "graph.json"
    path.write_text('{"taskrunner": 1, "nodes": []}')
    taskrunner.load(path)
    assert settings() == before


def test_settings_are_put_back_after_a_load_that_failed(before, tmp_path):
    path = tmp_path / "graph.json"
    path.write_text('{"taskrunner": 1, "nodes": [3]}')
    with pytest.raises(taskrunner.GraphError):
        taskrunner.load(path)
    assert settings() == before


@pytest.mark.parametrize("function", [int, fail])
def test_settings_are_put_back_after_a_run_however_its_nodes_end(before, function):
    graph = taskrunner.Graph()
    graph.call(function)
    taskrunner.run(graph, workers=2)
    assert settings() == before


def test_settings_are_put_back_after_a_run_that_did_not_begin(before):
    graph = taskrunner.Graph()
    graph.call(int, 1, 2, 3, 4)
    graph.call(fail, 1)
    with pytest.raises(taskrunner.GraphError):
        taskrunner.run(graph)
    with pytest.raises(taskrunner.UsageError):
        taskrunner.run(graph, targets=["nobody"])
    assert settings() == before


def test_settings_are_put_back_after_a_run_that_an_error_ended(before, monkeypatch):
    def broken(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr("taskrunner.engines.local.backend.execute", broken)
    graph = taskrunner.Graph()
    graph.call(int)
    with pytest.raises(RuntimeError, match="broken"):
        taskrunner.run(graph)
    assert settings() == before


def test_settings_are_put_back_after_a_run_inside_a_run(before):
    inner = taskrunner.Graph()
    inner.call(int)
    outer = taskrunner.Graph()
    node = outer.call(lambda: taskrunner.run(inner, workers=1).ok)
    assert taskrunner.run(outer, workers=2)[node]
    assert settings() == before


@pytest.mark.parametrize("first_out", [0, 1])
def test_settings_are_put_back_after_two_overlapping_runs_of_two_threads(before, first_out):
    started, go = [threading.Event(), threading.Event()], [threading.Event(), threading.Event()]
    threads, inside = [], []
    for number in range(2):
        graph = taskrunner.Graph()
        graph.call(go[number].wait, BOUND, needs=[graph.call(started[number].set)])
        threads.append(threading.Thread(target=taskrunner.run, args=(graph,), kwargs={"workers": 1}))
        threads[-1].start()
        assert started[number].wait(BOUND)
        inside.append(settings())
    for number in (first_out, 1 - first_out):
        assert settings() == inside[0] == inside[1]
        go[number].set()
        threads[number].join(BOUND)
    assert settings() == before


def test_the_collector_works_while_nodes_run():
    graph = taskrunner.Graph()
    seen = graph.call(settings)
    enabled, (threshold, *_), frozen = taskrunner.run(graph, workers=1)[seen]
    assert (enabled, frozen) == (True, False)
    assert threshold > collector.BASE_THRESHOLD


# -- what a user's own code sets -----------------------------------------------------------------------


def test_a_module_that_disables_the_collector_when_it_is_imported_has_its_way(tmp_path, monkeypatch):
    (tmp_path / "without_gc.py").write_text("import gc\ngc.disable()\ndef run(): return gc.isenabled()\n")
    monkeypatch.syspath_prepend(tmp_path)
    data = b'{"taskrunner": 1, "nodes": [{"id": "a", "call": "without_gc:run"}]}'
    enabled = taskrunner.run(taskrunner.Graph.decode(data, "json"))["a"]
    monkeypatch.delitem(sys.modules, "without_gc")
    assert (enabled, gc.isenabled()) == (False, False)


def test_a_threshold_that_a_node_sets_stays():
    graph = taskrunner.Graph()
    graph.call(gc.set_threshold, 1234, 5, 6)
    taskrunner.run(graph)
    assert gc.get_threshold() == (1234, 5, 6)


# -- what a run leaves --------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [max, fail], ids=["done", "failed"])
def test_what_a_run_has_made_is_free_when_its_result_is_gone_without_the_collector(function):
    graph = taskrunner.Graph()
    graph.call(function, *([1, 2] if function is max else []))
    # Not isinstance: it asks a dead proxy of somebody else's for its class.
    before = len([made for made in gc.get_objects() if type(made) is Task])
    gc.disable()
    result = taskrunner.run(graph, workers=2)
    assert len([made for made in gc.get_objects() if type(made) is Task]) == before + 1
    del result
    assert len([made for made in gc.get_objects() if type(made) is Task]) == before
