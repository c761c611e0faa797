"""Measure what a node costs on threads and on a Dask cluster, and from which length of nodes on a cluster pays.

The cluster is a scheduler and workers that are processes of their own, on this machine: nothing here tells what a
network costs. All sides run the same graphs in turn, and each round begins with another side.

- Microseconds a node: the wall time of a run of empty nodes, over their number. Chains are what is fused.
- Efficiency: the time that the nodes compute, over the wall time times the workers. A cluster pays where its own
  cost is small beside the work: then other machines can take a part of it.
- Large: a layered graph of so many nodes, by the command line: the whole process, and its memory at most.

Usage: ``uv run scripts/cluster_cost.py [--rounds 3] [--nodes 2000] [--large 100000] [--workers 2] [--json FILE]``.
``--large 0`` leaves the last part out, which takes minutes.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import taskrunner
from benchmark import bodies, child, graphfile, machine, options
from benchmark.bodies import BODIES
from benchmark.cluster import cluster
from benchmark.figure import in_turn, spread
from benchmark.job import of_body
from benchmark.shapes import SHAPES, Needs, layers

THREADS, DASK, UNFUSED = "threads", "dask", "dask, not fused"
CHAINS = 20
LENGTHS = (0.001, 0.01, 0.1, 1.0)
# Seconds of work for each worker in the graphs of one length, and the least and the largest number of nodes for each.
WORK_S = 2.0
LEAST = 3
MOST = 200
LAYER = 1_000

type Run = Callable[[taskrunner.Graph], taskrunner.RunResult]
type Rounds = dict[str, list[float]]  # the seconds of a run in every round, by side


def chains(nodes: int) -> Needs:
    """Return chains of CHAINS nodes each, beside each other."""
    return [[node - 1] if node % CHAINS else [] for node in range(nodes)]


SHAPES_OF_COST = {"wide": SHAPES["wide"], "layered": SHAPES["layered"], f"chains of {CHAINS}": chains}


def sides(address: str, workers: int) -> dict[str, Run]:
    """Return how each side runs a graph."""
    engine = taskrunner.DaskEngine
    return {
        THREADS: partial(taskrunner.run, workers=workers),
        DASK: lambda graph: taskrunner.run(graph, engine=engine(address)),
        UNFUSED: lambda graph: taskrunner.run(graph, engine=engine(address, fuses=False)),
    }


def measure(graph: taskrunner.Graph, runs: dict[str, Run], rounds: int) -> Rounds:
    """Return the seconds of every round on each side, after a warm-up."""
    found: Rounds = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name in in_turn(list(runs), number):
            result = runs[name](graph)
            if not result.ok:
                raise SystemExit(f"{name}: {result.failures[0].message}")
            if number:
                found[name].append(result.summary.wall_s)
    return found


def cost(runs: dict[str, Run], nodes: int, rounds: int) -> dict[str, Rounds]:
    """Measure empty nodes in each shape."""
    jobs = {name: of_body(BODIES["empty"], shape(nodes)) for name, shape in SHAPES_OF_COST.items()}
    return {name: measure(job.graph(), runs, rounds) for name, job in jobs.items()}


def lengths(runs: dict[str, Run], workers: int, rounds: int) -> dict[str, tuple[float, Rounds]]:
    """Measure nodes that compute so long, beside each other; with the seconds that a worker computes at best."""
    found = {}
    for seconds in LENGTHS:
        nodes = min(max(int(WORK_S / seconds), LEAST), MOST) * workers
        graph = taskrunner.Graph()
        for _ in range(nodes):
            graph.call(bodies.busy, seconds)
        two = {name: runs[name] for name in (THREADS, DASK)}
        found[f"{seconds * 1000:g} ms"] = nodes * seconds / workers, measure(graph, two, rounds)
    return found


def large(address: str, nodes: int) -> child.Ended:
    """Run a large graph by the command line, in a process of its own, which is the cluster's client."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "large.json").open("w", encoding="utf-8") as file:
            file.writelines(graphfile.lines(layers(nodes, LAYER, 2), BODIES["empty"].call, outputs=[]))
        path = {**child.environment(), "PYTHONPATH": str(Path(__file__).parent)}
        command = [*child.TASKRUNNER, "exec", "large.json", "--engine", "dask", "--address", address, "-q"]
        return child.run(command, folder, path)


def cost_table(found: dict[str, Rounds], nodes: int) -> Iterator[str]:
    """Give the lines to print: microseconds a node, and how many times that of threads."""
    yield f"microseconds a node, {nodes} empty nodes; spread is the slowest round over the fastest"
    for shape, rounds in found.items():
        base = statistics.median(rounds[THREADS])
        for side, seconds in rounds.items():
            median = statistics.median(seconds)
            us = f"{median / nodes * 1e6:>10.1f}"
            yield f"  {shape:14}{side:18}{us}{median / base:>9.1f}x{spread(seconds):>8.2f}"


def length_table(found: dict[str, tuple[float, Rounds]]) -> Iterator[str]:
    """Give the lines to print: each side's efficiency, and that of Dask over that of threads."""
    yield "efficiency by the length of nodes that need nothing of each other"
    yield f"  {'length':10}{THREADS:>10}{DASK:>10}{'ratio':>8}"
    for length, (best, rounds) in found.items():
        threads, dask = (best / statistics.median(rounds[side]) for side in (THREADS, DASK))
        yield f"  {length:10}{threads:>10.1%}{dask:>10.1%}{dask / threads:>8.2f}"


def main() -> None:
    """Measure, print the tables, and write JSON where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=options.positive, default=3)
    parser.add_argument("--nodes", type=options.positive, default=2_000)
    parser.add_argument("--large", type=options.natural, default=100_000, metavar="NODES")
    parser.add_argument("--workers", type=options.positive, default=2)
    parser.add_argument("--json", type=options.writable, metavar="FILE")
    chosen = parser.parse_args()
    described = machine.describe(["taskrunner", "dask", "distributed"])
    print(machine.words(described), f"{chosen.workers} workers", sep="; ")
    report: dict[str, Any] = {"machine": described, "workers": chosen.workers, "nodes": chosen.nodes}
    with cluster(chosen.workers) as address:
        if chosen.large:  # first, while this process is small: the child's memory counts from its size
            ended = large(address, chosen.large)
            report["large"] = {"nodes": chosen.large, "seconds": ended.seconds, "peak_bytes": ended.peak_bytes}
            print(f"{chosen.large} nodes: {ended.seconds:.1f} s, client {ended.peak_bytes / 2**20:.0f} MiB at most")
        runs = sides(address, chosen.workers)
        report["cost"] = cost(runs, chosen.nodes, chosen.rounds)
        print(*cost_table(report["cost"], chosen.nodes), sep="\n")
        report["lengths"] = lengths(runs, chosen.workers, chosen.rounds)
        print(*length_table(report["lengths"]), sep="\n")
    if chosen.json:
        chosen.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
