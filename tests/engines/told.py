"""What a run tells, in a form in which two runs of the same graph on different engines must be equal."""

import pickle
import shutil
from collections import defaultdict
from pathlib import Path

import msgspec

import taskrunner
from taskrunner.engines.failures import pickle_error


class Ear:
    """An observer that keeps what it is told."""

    def __init__(self):
        self.events = []

    def on_events(self, events):
        self.events += events

    def close(self):
        pass

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


def decoded(graph):
    """Return a graph from the object that its file would hold."""
    return taskrunner.Graph.decode(msgspec.json.encode({"taskrunner": 1, **graph}), "json")


def kind_of(error):
    """Name an error's class, if it can come from another process; what stands for it there otherwise."""
    data = pickle_error(error)
    return type(pickle.loads(data)).__name__ if data else "RemoteError"  # noqa: S301  it is our own


def states(result):
    """Return, for each node, the states of its attempts."""
    found = defaultdict(list)
    for entry in result.timing:
        found[entry.node].append(entry.state)
    return {node: sorted(states) for node, states in found.items()}


def failures(result):
    return {
        (f.node, f.attempt): (kind_of(f.error), f.message, f.traceback, f.arguments, f.path, f.allowed)
        for f in result.failures
    }


def counts(result):
    told = result.summary
    return {name: getattr(told, name) for name in ("ok", "nodes", "done", "failed", "skipped", "retried", "kept")}


def attempts(ear):
    """Return, for each node, what its events say in the order in which they came, but for times and places."""
    found = defaultdict(list)
    for event in ear.events:
        told = msgspec.to_builtins(event)
        if "node" in told:
            kept = ("event", "level", "attempt", "error", "arguments", "allowed", "reason", "because", "lost")
            found[told["node"]].append({name: told[name] for name in kept if name in told})
    return dict(found)


def written(run_dir):
    """Return what the commands of the one run there was have written."""
    (folder,) = Path(run_dir).iterdir()
    return {path.name: path.read_bytes() for path in (folder / "commands").glob("*")}


def run(graph, run_dir, **options):
    """Run a graph; return the result and everything that must be equal wherever it runs."""
    ear = Ear()
    result = taskrunner.run(graph, run_dir=run_dir, observers=[ear], **options)
    told = {
        "outputs": result.outputs,
        "types": {node: type(value) for node, value in result.outputs.items()},
        "states": states(result),
        "failures": failures(result),
        "skipped": {node: (why.reason, why.because) for node, why in result.skipped.items()},
        "counts": counts(result),
        "events": attempts(ear),
        "written": written(run_dir),
    }
    return result, told, ear


def run_case(case, tmp_path, name, **options):
    """Run a case. Its folder is new but of the same name for each engine, as it stands in what is told."""
    folder = tmp_path / "folder"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    known = case.graph()["params"]
    own = {"folder": folder, "lock": folder / "lock", "begun": folder / "begun", "go": folder / "go"}
    params = {name: str(path) for name, path in own.items() if name in known} | case.options.get("params", {})
    _, told, _ = run(decoded(case.graph()), tmp_path / name, **{**case.options, "params": params}, **options)
    return told


def check_case(case, tmp_path, engine):
    here = run_case(case, tmp_path, "threads", workers=2)
    there = run_case(case, tmp_path, "elsewhere", engine=engine)
    for part, expected in here.items():
        assert there[part] == expected, part
