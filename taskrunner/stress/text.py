"""What a search has found, as text for people."""

from collections.abc import Sequence

from taskrunner.analysis.formatting import format_seconds
from taskrunner.safe.printable import printable
from taskrunner.stress.report import ORDER, OVERLAP, UNSTEADY, Difference, Finding, StressReport

_NAMED = 10


def stress_text(report: StressReport, command: str) -> str:
    """Return the report; ``command`` is what shows the finding again."""
    rows = _head(report)
    if report.finding is not None:
        rows += _finding(report.finding)
        rows += [("show again", command)] if command else []
        rows.append(("advice", _ADVICE[report.finding.kind]))
    if report.uncompared:
        rows.append(("not compared", _names(report.uncompared)))
    for shared in report.shared:
        both = f"{shared.changed_by} changes a {shared.type} that {shared.seen_by} is given as well"
        rows.append(("warning", f"{both}, and no edge says which comes first"))
    if report.tracked and not report.shared:
        rows.append(("shared", "no node changes what an unordered one is given"))
    return "".join(f"{name:<14}{printable(text)}\n" for name, text in rows)


def _head(report: StressReport) -> list[tuple[str, str]]:
    verdict = "no difference" if report.finding is None else "difference"
    met = f", {report.met} pairs of nodes met" if report.met else ""
    many = f"{report.runs} runs of {report.calls} calls in {format_seconds(report.seconds)}"
    return [(verdict, f"{report.graph}: {many}, {report.workers} workers{met}")]


def _finding(finding: Finding) -> list[tuple[str, str]]:
    first, *others = finding.differences or (Difference("?", "?", "?"),)
    rows = [("first node", f"{first.node}: {first.found}, usually {first.expected}")]
    rows += [("then", _names([other.node for other in others]))] if others else []
    if finding.kind == UNSTEADY:
        return [*rows, ("schedule", "as usual: nothing was reordered")]
    if finding.reorderings:
        rows.append(("it is enough", ", ".join(f"that {a} starts before {b}" for a, b in finding.reorderings)))
    if finding.pair:
        rows.append(("at once", " and ".join(finding.pair)))
    again = f", shown again by {finding.again} of {finding.tries} runs" if finding.tries else ""
    return [*rows, ("seed", f"{finding.seed}{again}")]


_ADVICE = {
    ORDER: "is an edge missing? If the node's result may differ, --ignore it",
    OVERLAP: "is a lock missing, or an edge? If the node's result may differ, --ignore it",
    UNSTEADY: "the usual order gave another result: a time, an id, what an earlier run left? If it may, --ignore it",
}


def _names(nodes: Sequence[str]) -> str:
    more = f" and {len(nodes) - _NAMED} more" if len(nodes) > _NAMED else ""
    return ", ".join(nodes[:_NAMED]) + more
