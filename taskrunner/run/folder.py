"""What a run leaves behind: one folder for each run, named so that names sort by time."""

import datetime as dt
import secrets
from pathlib import Path

import msgspec

from taskrunner.errors import TaskrunnerError
from taskrunner.graph.spec import GraphFile
from taskrunner.run.plain import to_json
from taskrunner.run.result import Summary

DEFAULT = Path(".taskrunner") / "runs"


def new_run_id() -> str:
    """Return an id such as ``20260131-154502-9f3a1c``: UTC, and a random part."""
    now = dt.datetime.now(dt.UTC)
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


class RunFolder:
    """The folder of one run.

    Raises:
        TaskrunnerError: it cannot be made.

    """

    def __init__(self, runs: Path, run_id: str) -> None:
        self.path = runs / run_id
        self.commands = self.path / "commands"
        self.events = self.path / "events.jsonl"
        try:
            self.commands.mkdir(parents=True)
        except OSError as error:
            raise TaskrunnerError(f"cannot make the run's folder {self.path}: {error.strerror}") from None

    def write_graph(self, file: GraphFile) -> None:
        """Keep the graph as it was run; an argument made in Python is kept as its repr."""
        (self.path / "graph.json").write_bytes(to_json(file))

    def write_summary(self, summary: Summary) -> None:
        """Write ``summary.json``."""
        data = msgspec.json.format(msgspec.json.encode(summary), indent=2)
        (self.path / "summary.json").write_bytes(data + b"\n")
