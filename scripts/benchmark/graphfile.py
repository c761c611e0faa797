"""Graph files, written line by line: a file of a million nodes is never held whole."""

import json
from collections.abc import Iterable, Iterator


def lines(needs: Iterable[list[int]], call: str, outputs: list[str] | None = None) -> Iterator[str]:
    """Give the lines of a graph file whose node ``n<i>`` calls ``call`` with the results that it needs.

    Without ``outputs`` the sinks are kept, as in any graph file.
    """
    chosen = "" if outputs is None else f' "outputs": {json.dumps(outputs)},'
    yield f'{{"taskrunner": 1,{chosen} "nodes": ['
    comma = ""
    for node, needed in enumerate(needs):
        args = ", ".join(f'{{"$ref": "n{i}"}}' for i in needed)
        yield f'{comma}\n{{"id": "n{node}", "call": "{call}", "args": [{args}]}}'
        comma = ","
    yield "\n]}\n"
