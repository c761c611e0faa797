"""The same graph ends alike on the threads of this process and on a Dask cluster of other processes."""

import pytest
from cases import CASES, ITEM, call, ref
from told import decoded

import taskrunner


@pytest.mark.parametrize("name", CASES)
def test_a_graph_ends_on_dask_as_on_threads(name, check_case, cluster):
    check_case(CASES[name], cluster.engine())


@pytest.mark.parametrize("name", ["chains", "failures"])
def test_what_is_not_fused_ends_alike(name, check_case, cluster):
    check_case(CASES[name], cluster.engine(fuses=False))


# -- what threads do otherwise, or not at all ------------------------------------------------------------


def go(cluster, *nodes, stop_after=0, fuses=True, ear=None, **options):
    engine = cluster.engine(fuses=fuses)
    observers = [] if ear is None else [ear]
    return taskrunner.run(
        decoded({"nodes": list(nodes)}), engine=engine, stop_after=stop_after, observers=observers, **options
    )


def test_a_list_does_not_go_where_its_items_go(cluster):
    children = call("c", "name_of_slowly", ITEM, map=ref("made"))  # on both workers
    assert go(cluster, call("made", "held", 6), children).outputs["c"] == ["int"] * 6


def test_a_text_that_cannot_be_encoded_is_told_in_another_form(cluster):
    result = go(cluster, call("a", "fail_with", "surrogate"))
    assert [f.message for f in result.failures] == [r"ValueError: \ud800"]


@pytest.mark.parametrize(("function", "arguments"), [("lock", ()), ("held", (2,))])
def test_an_output_that_cannot_be_brought_here_is_a_failure(cluster, function, arguments):
    result = go(cluster, call("a", "give", 1), call("b", function, *arguments), call("c", "give", 3))
    assert result.outputs == {"a": 1, "c": 3}
    (failure,) = result.failures
    assert (result.ok, failure.node) == (False, "b")
    assert "cannot pickle" in failure.message


def test_an_output_may_be_a_function(cluster):
    assert go(cluster, call("a", "function", 7)).outputs["a"]() == 7


class Watcher:
    """Sees what runs, and lets it end then."""

    def __init__(self, path):
        self.path = path
        self.seen = {}

    def on_events(self, events):
        pass

    def on_running(self, running, _):
        for node in running:
            self.seen.setdefault(node.node, node)
            if node.node == "long":
                self.path.touch()

    def close(self):
        pass


def test_what_takes_long_is_seen_to_run(cluster, tmp_path):
    watcher = Watcher(tmp_path / "go")
    nodes = [call("a", "give", 1), call("long", "touch_and_wait", str(tmp_path / "begun"), str(watcher.path), ref("a"))]
    assert go(cluster, *nodes, ear=watcher, timeout=60).ok
    assert (watcher.seen["long"].worker, watcher.seen["long"].attempt) in [(0, 1), (1, 1)]


def test_a_result_that_cannot_be_moved_stays_and_who_takes_it_comes(cluster, tmp_path):
    locks = [call(node, "meet_and_lock", str(tmp_path), "both", 2) for node in "ab"]
    takers = [call(f"{node}-pid", "pid_with", ref(node)) for node in "ab"]
    result = go(cluster, *locks, *takers, call("c", "many", ref("a"), ref("b")), fuses=False, timeout=60)
    (failure,) = result.failures
    assert failure.node == "c"
    assert "cannot be pickled, and lie in different processes" in failure.message
    assert result.outputs["a-pid"] != result.outputs["b-pid"]


def test_items_that_cannot_be_moved_are_taken_where_they_are(cluster):
    result = go(cluster, call("made", "locks", 5), call("c", "pid_with", ITEM, map=ref("made")), timeout=60)
    assert len(set(result.outputs["c"])) == 1


def test_a_result_that_turns_out_not_to_move_fails_the_node_that_takes_it(cluster, tmp_path):
    hiding = [call(node, "meet_and_hide", str(tmp_path), "both", 2) for node in "ab"]
    result = go(cluster, *hiding, call("c", "many", ref("a"), ref("b")), timeout=30)
    (failure,) = result.failures
    assert failure.node == "c"
    assert failure.message.startswith("a result cannot be moved: ")
    assert "cannot pickle" in failure.message


def test_a_result_that_cannot_be_made_anew_fails_the_node_that_takes_it(cluster, tmp_path):
    made = [call(node, "meet_and_close", str(tmp_path), "both", 2) for node in "ab"]
    result = go(cluster, *made, call("c", "many", ref("a"), ref("b")), timeout=30)
    (failure,) = result.failures
    assert (failure.node, failure.message) == ("c", "a result cannot be moved: ValueError: it stays closed")


def test_the_cluster_is_as_good_as_before_after_that(cluster):
    assert go(cluster, call("m", "double", ITEM, map=[1, 2, 3, 4])).outputs == {"m": [2, 4, 6, 8]}
