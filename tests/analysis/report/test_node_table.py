from taskrunner.analysis.report.groups import groups_of
from taskrunner.analysis.report.node_table import group_names, node_table, path_table
from taskrunner.analysis.totals import nodes_of

NODES = [
    {"id": "a", "call": "m:f"},
    {"id": "m", "call": "m:g", "map": [1, 2], "needs": ["a"]},
    {"id": "s", "run": ["sort"], "when": False},
    {"id": "z", "call": "m:f", "needs": ["s"]},
]


def rows(table):
    def value(column, row):
        found = column.values[row]
        return column.words[found] if column.kind == "word" else found

    size = len(table.columns[0].values)
    return [{column.name: value(column, row) for column in table.columns} for row in range(size)]


def table(run, kind="function"):
    nodes = nodes_of(run)
    groups = groups_of(run.dag) if run.dag is not None else None
    return node_table(run, nodes, kind, group_names(run, nodes, groups))


def test_a_row_a_node(recording):
    record = recording(*NODES).retried("a", 0.25, 1.0, queued_s=0.25).done("a", 2.0, 1.0, attempt=2, queued_s=0.5)
    record.done("m[0]", 3.0, 1.0, worker=1, stolen=True).failed("m[1]", 3.0, 0.5, error="ValueError: a\nb\x1b")
    record.skipped("m", "needs", "m[1]").skipped("s", "when").skipped("z", "needs", "s").end(4.0)
    found = rows(table(record.run()))
    assert found[0] == {
        "node": "a", "state": "done", "function": "m:f", "where": "worker 0", "started": 2_000_000, "queued": 750_000,
        "ran": 2_000_000, "attempts": 2, "path": "critical", "reason": "",
    }  # fmt: skip
    by_node = {row["node"]: row for row in found}
    assert (by_node["m[0]"]["function"], by_node["m[0]"]["where"]) == ("m:g", "worker 1, stolen")
    assert by_node["m[1]"]["reason"] == "ValueError: a"
    assert by_node["m"]["reason"] == "a dependency failed or was skipped: m[1]"
    assert by_node["s"]["reason"] == "its condition was not met"
    assert (by_node["z"]["state"], by_node["z"]["started"], by_node["z"]["ran"]) == ("skipped", None, None)


def test_columns_that_tell_nothing_are_left_out(recording):
    run = recording(NODES[0]).done("a", 0.0, 1.0).run(has_graph=False)
    assert [column.name for column in table(run).columns] == ["node", "state", "where", "started", "queued", "ran"]


def test_names_are_harmless_to_read(recording):
    nodes = [{"id": "\u202ea\n", "run": ["\u202ef"]}, {"id": "b", "run": ["g"]}]
    first, _ = rows(table(recording(*nodes).done("\u202ea\n", 0.0, 1.0, worker=-1).run()))
    assert (first["node"], first["function"]) == ("\\u202ea\\n", "$ \\u202ef")


def test_the_critical_path_with_its_waits(recording):
    record = recording(NODES[0], {"id": "b", "call": "m:f", "needs": ["a"]})
    run = record.done("a", 0.5, 1.0).done("b", 2.0, 2.0).end(4.0).run()
    assert rows(path_table(run)) == [
        {"node": "a", "waited": 500_000, "ran": 1_000_000, "share": 0.25},
        {"node": "b", "waited": 500_000, "ran": 2_000_000, "share": 0.5},
    ]


def test_without_a_graph_there_is_no_path(recording):
    assert rows(path_table(recording().run(has_graph=False))) == []


def test_cpu_time_is_that_of_all_attempts_and_has_a_column_only_where_it_was_measured(recording):
    record = recording(*NODES).retried("a", 0.0, 1.0, cpu_s=0.5).done("a", 1.0, 1.0, attempt=2, cpu_s=0.25)
    record.done("m[0]", 3.0, 1.0).end(4.0)
    found = table(record.run())
    assert [row["cpu"] for row in rows(found)][:2] == [750_000, None]
    assert found.caption == "Queued, ran and cpu are sums over all attempts of a node"
