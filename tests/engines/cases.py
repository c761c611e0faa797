"""Graphs that must end alike wherever they run. ``{"$param": "folder"}`` is an empty folder for each of the runs."""

import dataclasses
from typing import Any

ITEM = {"$item": True}
FOLDER = {"$param": "folder"}
LONG = 30.0


def ref(node, *path):
    return {"$ref": node, "path": list(path)} if path else {"$ref": node}


def call(node, function, *args, **fields):
    return {"id": node, "call": f"nodes:{function}", "args": list(args), **fields}


def command(node, argv, **fields):
    return {"id": node, "run": argv, **fields}


@dataclasses.dataclass(frozen=True)
class Case:
    """A graph, and what is asked of its run. ``waits``: it needs an engine that runs several nodes at once."""

    nodes: list[dict[str, Any]]
    fields: dict[str, Any] = dataclasses.field(default_factory=dict)
    options: dict[str, Any] = dataclasses.field(default_factory=lambda: {"stop_after": 0})

    def graph(self):
        params = {"folder": None, **self.fields.get("params", {})}
        outputs = [node["id"] for node in self.nodes]
        return {"name": "case", "outputs": outputs, **self.fields, "params": params, "nodes": self.nodes}


CASES = {
    "references": Case(
        [
            call("a", "table"),
            call("rows", "many", ref("a", "rows"), ref("a", "rows", 1, "a"), {"deep": [ref("a", "pair", "right")]}),
            call(
                "named",
                "many",
                kwargs={"x": ref("a", "rows", 0), "y": {"$param": "n"}, "z": [{"$param": "deep", "path": ["k", 1]}]},
            ),
            call("literal", "many", {"$literal": {"$ref": "a", "x": {"$param": "n"}}}),
            call("whole", "give", ref("a")),
            call("twice", "many", ref("rows"), ref("rows", 0)),
            call("constant", "many", 1, None, "x", [1.5, {}, True]),
            call("nowhere", "give", ref("a", "rows", 7)),
            call("no-attribute", "give", ref("a", "pair", "middle")),
            call("first", "noted", FOLDER, "first", 1, needs=["constant"]),
            call("second", "give", 2, needs=["first", "rows"]),
            {"id": "builtin", "call": "builtins:sorted", "args": [[3, 1, 2]], "kwargs": {"reverse": True}},
        ],
        {"params": {"n": 5, "deep": {"k": [1, 2]}}},
        {"stop_after": 0, "params": {"n": 6}},
    ),
    "maps": Case(
        [
            call("literal", "double", ITEM, map=[1, 2, 3]),
            call("empty", "double", ITEM, map=[]),
            call("of-param", "many", ITEM, {"$param": "n"}, map={"$param": "items"}),
            call("count", "count_to", 4),
            call("nothing", "count_to", 0),
            call("late", "add", ITEM, {"$param": "n"}, map=ref("count")),
            call("late-empty", "double", ITEM, map=ref("nothing")),
            call("rows", "row", ITEM, map=ref("late")),
            call("of-map", "total", ITEM, map=ref("rows")),
            call("of-empty", "double", ITEM, map=ref("late-empty")),
            call("sum", "total", ref("of-map")),
            call("part", "many", ITEM, {"$item": True, "path": [1]}, map=ref("rows")),
            call("shared", "many", ITEM, ref("rows"), ref("rows", 1), map=[0, 1]),
            call("in-part", "double", ITEM, map=ref("rows", 0)),
            call("mixed", "many", ITEM, map=[ref("count", 1), [ref("sum")], "x"]),
            call("texts", "texts", 12, 8192),
            call("sizes", "size_of", ITEM, map=ref("texts")),
            call("things", "things", 3),
            call("names", "name_of", ITEM, map=ref("things")),
            call("of-text", "double", ITEM, map=ref("texts", 0)),
            call("after-of-text", "give", ref("of-text")),
            call("bad-child", "unless", ITEM, 1, map=[FOLDER, "/nowhere"]),
            call("after-bad-child", "give", ref("bad-child")),
            call("always-after", "many", ref("bad-child"), always=True),
            call("may-fail", "fail", ITEM, map=[1, 2], allow_failure=True),
            call("after-may-fail", "give", ref("may-fail")),
            call("needing", "give", 1, needs=["late"]),
            call("async", "who_async", ITEM, map=[0, 1]),
            call("not-mapped", "give", ITEM, map=ref("count"), when=ref("nothing")),
            call("always-mapped", "give", ITEM, map=ref("count"), always=True, needs=["bad-child"]),
            call("kept-apart", "give", ITEM, map=ref("count")),
        ],
        {
            "params": {"n": 10, "items": ["a", "b"]},
            "outputs": [
                "literal",
                "empty",
                "of-param",
                "late",
                "late-empty",
                "rows",
                "of-map",
                "of-empty",
                "sum",
                "part",
                "shared",
                "in-part",
                "mixed",
                "sizes",
                "names",
                "after-bad-child",
                "always-after",
                "may-fail",
                "after-may-fail",
                "needing",
                "async",
                "not-mapped",
                "always-mapped",
            ],
        },
    ),
    "guards": Case(
        [
            call("yes", "give", 1, when=True),
            call("no", "give", 1, when=False),
            call("zero", "give", 1, when=0),
            call("by-param", "give", 1, when={"$param": "on"}),
            call("off", "give", 1, when={"$param": "on", "path": ["x"]}),
            call("table", "table"),
            call("truth", "give", "yes"),
            call("lie", "give", []),
            call("by-ref", "give", 1, when=ref("truth")),
            call("not-by-ref", "give", 1, when=ref("lie")),
            call("by-path", "many", ref("table", "rows"), when=ref("table", "rows", 0, "a")),
            call("by-nowhere", "give", 1, when=ref("table", "columns")),
            call("after-no", "give", ref("no")),
            call("after-after", "give", 2, needs=["after-no"]),
            call("always", "many", ref("no"), ref("after-after"), ref("yes"), ref("by-nowhere"), always=True),
            call("always-but", "give", 1, always=True, when=ref("no")),
            call("always-and", "give", 1, always=True, when=ref("truth"), needs=["by-nowhere"]),
            call("mapped", "double", ITEM, map=[1, 2], when=ref("truth")),
            call("mapped-not", "double", ITEM, map=[1, 2], when=ref("lie")),
            call("mapped-late", "double", ITEM, map=ref("table", "pair"), when=ref("lie")),
            command("run", "echo x", when=ref("truth")),
            command("run-not", "echo x", when=ref("lie")),
            call("async-not", "who_async", when=ref("lie")),
        ],
        {"params": {"on": {"x": 0}}},
    ),
    "failures": Case(
        [
            *[
                call(kind, "fail_with", kind)
                for kind in (
                    "two",
                    "closed",
                    "exit",
                    "harsh",
                    "interrupt",
                    "worse",
                    "group",
                    "huge",
                    "cancelled",
                    "timeout",
                    "stop",
                )
            ],
            *[
                call(f"async-{kind}", "fail_async", kind)
                for kind in (
                    "two",
                    "closed",
                    "worse",
                    "cancelled",
                    "timeout",
                    "harsh",
                    "exit",
                    "interrupt",
                )
            ],
            call("because", "fail_because"),
            call("shown", "fail", [1, 2], {"a": "x" * 500}, 3.5),
            call("after", "give", 1, needs=["two"]),
            call("allowed", "fail", allow_failure=True),
            call("given-none", "many", ref("allowed"), ref("allowed", "x")),
            call("always", "many", ref("two"), ref("after"), always=True),
            call("chain-1", "give", 1),
            call("chain-2", "add", ref("chain-1"), 1),
            call("chain-3", "fail", ref("chain-2")),
            call("chain-4", "add", ref("chain-3")),
            call("chain-5", "add", ref("chain-4")),
        ],
        {"outputs": ["given-none", "always", "chain-5"]},
    ),
    "retries": Case(
        [
            call("plain", "at_third_call", FOLDER, "plain", retries=2),
            call("too-few", "at_third_call", FOLDER, "too-few", retries=1),
            call(
                "backoff",
                "at_third_call",
                FOLDER,
                "backoff",
                retries={"max": 3, "backoff": 0.01, "factor": 2, "jitter": 0.01},
            ),
            call("named", "at_third_call", FOLDER, "named", retries={"max": 2, "on": ["nodes.WorseError"]}),
            call("base", "at_third_call", FOLDER, "base", retries={"max": 2, "on": ["OSError"]}),
            call("other", "at_third_call", FOLDER, "other", retries={"max": 2, "on": ["ValueError", 5]}),
            call("closed", "at_third_call", FOLDER, "closed", "closed", retries={"max": 2, "on": ["ClosedError"]}),
            call("async", "at_third_await", FOLDER, "async", retries=2),
            call("mapped", "at_third_call", FOLDER, ITEM, map=["m0", "m1"], retries=2),
            call("mapped-few", "at_third_call", FOLDER, ITEM, map=["f0"], retries=1),
            call("number", "who", retries=2),
            command(
                "code",
                "printf x >> $FOLDER/code; test $(wc -c < $FOLDER/code) = 3 || exit 7",
                env={"FOLDER": FOLDER},
                retries={"max": 2, "on": [7]},
            ),
            command("other-code", "exit 8", retries={"max": 2, "on": [7]}),
            call("after", "add", ref("plain"), ref("named")),
            call("allowed", "fail", retries=1, allow_failure=True),
        ],
    ),
    "contexts": Case(  # case 13
        [
            call("a", "change_context"),
            call("b", "change_context", ref("a")),
            call("c", "change_context", ref("b")),
            call("more", "change_context", ITEM, map=list(range(8))),
            call("items", "change_context", ITEM, map=ref("a")),
            call("retried", "change_context_once", FOLDER, "once", retries=1),
            call("timed", "change_context", ref("c"), timeout=LONG),
            call("async", "change_context_async", ITEM, map=list(range(4))),
            call("async-last", "change_context_async", ref("async")),
            call("executor", "change_context_in_executor", ITEM, map=list(range(8))),
            call("last", "change_context", ref("executor"), ref("more"), ref("async-last")),
        ],
    ),
    "time-outs": Case(
        [
            call("call", "until_cancelled", timeout=0.1),
            call("async", "forever", timeout=0.1),
            call("stubborn", "stubborn", timeout=0.1),
            call("retried", "short_at_third", FOLDER, timeout=0.3, retries=2),
            call("mapped", "until_cancelled", ITEM, map=[None], timeout=0.1),
            call("own", "fail_with", "timeout", timeout=LONG),
            call("own-async", "fail_async", "timeout", timeout=LONG),
            call("quick", "give", 1, timeout=LONG),
            call("quick-async", "who_async", timeout=LONG),
            call("exit", "fail_with", "exit", timeout=LONG),
            call("who", "who", timeout=LONG),
            command("command", "echo begun; sleep 30", timeout=0.3),
            command("quick-command", "echo x", timeout=LONG),
            call("after", "give", 1, needs=["call"]),
            call("allowed", "until_cancelled", timeout=0.1, allow_failure=True),
            call("given-none", "many", ref("allowed")),
        ],
    ),
    "pools": Case(
        [
            call("alone", "alone", {"$param": "lock"}, ITEM, map=list(range(6)), pool="one"),
            call("both", "alone", {"$param": "lock"}, pool=["one", "two"]),
            *[
                call(f"order-{priority}", "in_order", FOLDER, f"{priority}", pool="line", priority=priority)
                for priority in (0, 3, -1, 2, 1)
            ],
            call("order", "give", 1, needs=[f"order-{priority}" for priority in (0, 3, -1, 2, 1)]),
        ],
        {"pools": {"one": 1, "two": 2, "line": 1}, "params": {"lock": None}},
    ),
    "asyncs": Case(
        [
            *[call(f"meet-{number}", "meet_async", FOLDER, "met", 12) for number in range(8)],
            call("meet", "meet_async", FOLDER, "met", 12, ITEM, map=[0, 1, 2, 3]),
            call("who", "who_async"),
            call("after", "who_async", ref("who")),
            call("fails", "fail_async", "worse"),
        ],
    ),
    "commands": Case(
        [
            call("value", "give", {"a": [1, 2]}),
            command("list", ["printf", "%s-", "a b", 1, ref("value", "a", 0)]),
            command("shell", "echo $A; echo $B >&2", env={"A": "x y", "B": ref("value", "a", 1)}),
            command("text", ["cat"], stdin="text é\n"),
            command("json-in", ["cat"], stdin=ref("value"), capture="json"),
            command("lines", "printf 'a\\nb\\n'", capture="lines"),
            command("bytes", "printf 'a\\0\\377'", capture="bytes"),
            command("none", "echo x", capture="none"),
            command("no-json", "echo '{'", capture="json"),
            command("no-text", "printf '\\377'"),
            command("cwd", "pwd", cwd="/"),
            command("fails", "echo out; echo err >&2; exit 3"),
            command("killed", "kill -9 $$"),
            command("missing", ["no-such-program-anywhere"]),
            command("no-folder", "pwd", cwd="/no/such/folder"),
            command("large", "head -c 200000 /dev/zero | tr '\\0' x"),
            command("large-fails", "head -c 200000 /dev/zero | tr '\\0' x; exit 1"),
            command("mapped", ["echo", ITEM, "y"], map=["x", "a/b"]),
            command("bad/name: \u00e9", "echo odd"),
            command("token", "echo $TOKEN; exit 1", env={"TOKEN": "hide-this-value"}),
            call("sum", "many", ref("lines"), ref("list"), ref("bytes")),
            command("nothing", ["cat"]),
        ],
    ),
    "chains": Case(
        [
            call("a-0", "give", 0),
            *[call(f"a-{number}", "add", ref(f"a-{number - 1}"), 1) for number in range(1, 130)],
            call("b-0", "texts", 3, 8),
            call("b-1", "give", ref("b-0")),
            call("b-2", "give", ref("b-1")),
            call("b-3", "size_of", ref("b-2")),
            call("c-0", "give", 1),
            call("c-1", "give", 2, needs=["c-0"]),
            call("c-2", "add", ref("c-1"), 1, when=True),
            call("c-3", "add", ref("c-2"), 1),
            call("c-4", "who", ref("c-3")),
            call("c-5", "who", ref("c-4", 0)),
            call("d-0", "give", 1),
            call("d-1", "many", ref("d-0"), kwargs={"x": ref("d-0")}),
            call("d-2", "many", ref("d-1", 0, 0), [ref("d-1")]),
            call("d-3", "fail", ref("d-2")),
            call("d-4", "give", ref("d-3")),
            call("d-5", "give", ref("d-4"), always=True),
            call("d-6", "give", ref("d-5")),
            call("e-0", "give", 1),
            call("e-1", "give", ref("e-0", "nowhere")),
            call("e-2", "give", ref("e-1")),
            call("f-0", "lock"),
            call("f-1", "name_of", ref("f-0")),
            call("g-0", "function", 5),
            call("g-1", "call_it", ref("g-0")),
        ],
        {"outputs": ["a-129", "b-1", "b-3", "c-5", "d-6", "e-2", "f-1", "g-1"]},
    ),
    "defaults": Case(
        [
            call("again", "at_third_call", FOLDER, "again"),
            call("own", "at_third_call", FOLDER, "own", retries=1),
            call("slow", "until_cancelled", retries=0),
            call("alone", "alone", {"$param": "lock"}, ITEM, map=[1, 2, 3], timeout=LONG),
            call("free", "give", 1),
        ],
        {"defaults": {"retries": 2, "timeout": 1.0, "pool": "one"}, "pools": {"one": 1}, "params": {"lock": None}},
    ),
    "targets": Case(
        [
            call("a", "give", 1),
            call("b", "add", ref("a"), 1),
            call("c", "fail", ref("b")),
            call("d", "add", ref("b"), 2),
        ],
        {"outputs": ["c"]},
        {"targets": ["b", "d"]},
    ),
    "sinks": Case(
        [call("a", "give", 1), call("b", "add", ref("a"), 1), call("c", "add", ref("a"), 2), call("d", "pair")],
        {"outputs": []},
    ),
    "stopped": Case(
        [
            call("slow", "touch_and_wait", {"$param": "begun"}, {"$param": "go"}, 1),
            call("bad-path", "wait_for", {"$param": "begun"}),
            call("bad", "fail", needs=["bad-path"]),
            call("clean", "touch", {"$param": "go"}, always=True, needs=["bad"]),
            call("after-bad", "give", ref("bad")),
            call("late", "give", ref("slow")),
            call("late-map", "give", ITEM, map=ref("slow")),
            call("later", "give", ref("late")),
            call("last", "many", ref("late"), ref("slow"), always=True),
        ],
        {"params": {"begun": None, "go": None}},
        {"stop_after": 1},
    ),
    "stopped after two": Case(
        [
            call("bad-1", "fail"),
            call("between", "give", 1, needs=["bad-1"], always=True),
            call("next", "add", ref("between"), 1),
            call("allowed", "fail", allow_failure=True, needs=["next"]),
            call("bad-2", "fail", needs=["allowed"]),
            call("clean", "give", 2, needs=["bad-2"], always=True),
            call("after-clean", "give", ref("clean")),
            call("bad-3", "fail", needs=["after-clean"]),
        ],
        {},
        {"stop_after": 2},
    ),
    "no nodes": Case([]),
}
