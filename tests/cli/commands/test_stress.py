"""``taskrunner stress``, and ``exec --shuffle`` and ``--replay``."""

import shlex

import pytest


def shared(cli, **more):
    cli.write("racy.py", "def new(): return []\ndef add(items, n): items.append(n)\ndef read(items): return items[:]\n")
    ref = {"$ref": "items"}
    return cli.graph(
        {"id": "items", "call": "racy:new"},
        {"id": "a\x1b", "call": "racy:add", "args": [ref, 1]},
        {"id": "b", "call": "racy:add", "args": [ref, 2]},
        {"id": "read", "call": "racy:read", "args": [ref], "needs": ["a\x1b", "b"], **more},
    )


@pytest.mark.parametrize("name", ["racy", "racy-edge"])
def test_planted_mistakes_are_found_and_the_command_that_is_printed_shows_them(cli, workloads, name):
    ended = cli("stress", workloads / f"{name}.json")
    assert (ended.code, ended.err) == (1, "")
    assert ended.out.startswith(f"difference    {name}: ")
    command = shlex.split(next(line for line in ended.out.splitlines() if line.startswith("reproduce")))[1:]
    assert command[0] == "taskrunner"
    again = cli(*command[1:])
    if name == "racy":
        assert again.code == 1
    else:
        assert again.json == {"receipt": "thank you", "balance": 1600}


def test_names_are_escaped_and_both_are_named(cli):
    ended = cli("stress", shared(cli), "--workers", "1", "--track")
    assert ended.code == 1
    assert "\nreordering    b starts before a\\x1b\n" in ended.out
    assert "\nfirst node    read: [2, 1], baseline [1, 2]\n" in ended.out
    assert "\nwarning       a\\x1b modifies a list that b also receives" in ended.out
    assert "\x1b" not in ended.out


def test_what_is_ignored_is_no_difference(cli):
    ended = cli("stress", shared(cli), "--workers", "1", "--ignore", "read", "--runs", "10", "--json")
    assert ended.code == 0
    assert (ended.json["finding"], ended.json["runs"], ended.json["replay"]) == (None, 12, "")
    ended = cli("stress", shared(cli), "--ignore", "red")
    assert (ended.code, ended.err) == (2, 'taskrunner: no node "red" in the graph; did you mean "read"?\n')


def test_one_json_object(cli):
    found = cli("stress", shared(cli), "--json", "--workers", "1").json
    assert found["finding"]["kind"] == "order"
    assert found["finding"]["reorderings"] == [["b", "a\x1b"]]
    assert found["replay"].startswith("taskrunner exec graph.json --workers 1 --replay ")


def test_a_seed_gives_the_same_order_and_a_replay_too(cli):
    graph = shared(cli)
    found = [cli("exec", graph, "-w", "1", "--shuffle", seed).json["read"] for seed in (0, 0, 1, 2, 3, 4)]
    assert found[0] == found[1]
    assert {tuple(order) for order in found} == {(1, 2), (2, 1)}
    assert cli("exec", graph, "-w", "1", "--replay", "last").json["read"] == found[-1]
    ended = cli("exec", graph, "--replay", "last", "--shuffle", "1")
    assert (ended.code, ended.err) == (2, "taskrunner: a run can follow a seed or replay another run, not both\n")


def test_a_graph_that_fails_by_itself(cli):
    ended = cli("stress", cli.graph({"id": "bad", "call": "functions:fail"}))
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == 'taskrunner: node "bad" fails in the baseline run: ValueError: no luck\n'
