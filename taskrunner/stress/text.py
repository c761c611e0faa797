"""Text report of a search."""

from collections.abc import Sequence

from taskrunner.analysis.formatting import format_seconds
from taskrunner.safe.printable import printable
from taskrunner.stress.report import ORDER, OVERLAP, UNSTEADY, Difference, Finding, StressReport

_MAX_NAMES = 10
_ADVICE = {
    ORDER: "is an edge missing? If the node's result may differ, --ignore it",
    OVERLAP: "is a lock missing, or an edge? If the node's result may differ, --ignore it",
    UNSTEADY: "a repetition gave another result: a time, an id, leftovers of an earlier run? If intended, --ignore it",
}


def stress_text(report: StressReport, command: str) -> str:
    """Return the report as text; ``command`` is the command that reproduces the finding."""
    rows = _format_head(report)
    if report.finding is not None:
        rows += _format_finding(report.finding)
        rows += [("reproduce", command)] if command else []
        rows.append(("advice", _ADVICE[report.finding.kind]))
    if report.uncompared:
        rows.append(("not compared", _format_names(report.uncompared)))
    for shared in report.shared:
        fact = f"{shared.changed_by} modifies a {shared.type} that {shared.seen_by} also receives"
        rows.append(("warning", f"{fact}, and no edge orders them"))
    if report.tracked and not report.shared:
        rows.append(("shared", "no node modifies an input of an unordered node"))
    return "".join(f"{name:<14}{printable(text)}\n" for name, text in rows)


def _format_head(report: StressReport) -> list[tuple[str, str]]:
    verdict = "no difference" if report.finding is None else "difference"
    overlaps = f", {report.met} pairs of nodes overlapped" if report.met else ""
    runs = f"{report.runs} runs of {report.calls} calls in {format_seconds(report.seconds)}"
    return [(verdict, f"{report.graph}: {runs}, {report.workers} workers{overlaps}")]


def _format_finding(finding: Finding) -> list[tuple[str, str]]:
    first, *others = finding.differences or (Difference("?", "?", "?"),)
    rows = [("first node", f"{first.node}: {first.found}, baseline {first.expected}")]
    rows += [("more nodes", _format_names([other.node for other in others]))] if others else []
    if finding.kind == UNSTEADY:
        return [*rows, ("schedule", "baseline: nothing was reordered")]
    if finding.reorderings:
        rows.append(("reordering", ", ".join(f"{a} starts before {b}" for a, b in finding.reorderings)))
    if finding.pair:
        rows.append(("overlap", " and ".join(finding.pair)))
    repetitions = f", reproduced by {finding.again} of {finding.tries} runs" if finding.tries else ""
    return [*rows, ("seed", f"{finding.seed}{repetitions}")]


def _format_names(nodes: Sequence[str]) -> str:
    more = f" and {len(nodes) - _MAX_NAMES} more" if len(nodes) > _MAX_NAMES else ""
    return ", ".join(nodes[:_MAX_NAMES]) + more
