"""The vocabulary of the package: no home-made term, no clause where a noun has a name, imperatives in docstrings.

One concept has one term, in identifiers, docstrings, comments and messages. The terms are defined in
docs/architecture.md. Run this file as a program to list the lines that use another one::

    python tests/project/test_words.py taskrunner/pool taskrunner/graph
"""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "taskrunner"
# Underscores separate words: a term is found inside an identifier as well.
START, END = r"(?<![A-Za-z])", r"(?![A-Za-z])"
# Each pattern with the terms to use in its stead.
BANNED = {
    "tells?|told|telling": "report, emit, print, notify",
    "hears?|heard|wants? to (hear|know|see)": "receive, subscribe to",
    "notes?|noted|noting": "record",
    "teller|scribe": "reporter, journal writer",
    "kept": "stored, cached, retained, restored",
    "plain (call|text)s?": "synchronous call, unstyled text",
    "(given|gives?|giving|gave) up": "abandoned, still running",
    "(tried|try|tries|trying) again": "retried",
    "became of|fates?": "outcome, status",
    "places?|placed|placing": "slot, backend, location, position; enqueue",
    "inbox": "global queue",
    "sites?": "worker process",
    "elsewhere": "on a worker",
    "here": "in the client, in this process",
    "works|(a|the|each|one|its) work": "work item",
    "flights?|on (its|their) way": "in flight",
    "guards?|guarded|guarding": "condition; protect",
    "takers?|who takes": "consumer",
    "what it needs": "dependencies",
    "brings?|brought|hands? on|handed on": "send, pass, deliver",
    "lets? go|letting go": "release, drop, break the reference cycle",
    "goe?s? home|going home|home": "exit, shut down",
    "robs?|robbed": "victim",
    "looks?( it)? (at|again)|looked (at|again)|looking (at|again)": "check, poll, recheck",
    "(lies|lie|stands?|stood) (in|for)": "is in, represents, placeholder for",
    "(goes|go|going|went|gone) on": "continue, still run, resume",
    "by itself|by themselves|of (its|their|his|one's) own": "alone, automatically, separate, its own",
    "apart": "distinguished, separate",
    "so (many|long|much|often)": "N, at most N",
    "conceals?|concealed|reveals?|revealed": "redact, restore",
    "mends?|mended": "fix, repair",
    "rooms?": "package; space",
    "folders?": "directory",
    "(a|one|each) text|texts": "string, message",
    "doubled": "duplicate",
    "usual (run|order)": "baseline",
    "moments?": "timestamp, deadline",
    "doors?|gates?": "start barrier, wake-up lock",
    "good order|husks?|forgotten": "gracefully, stale entry, tombstone",
    "made for": "designed for, created for",
    "(is|are) no(?! longer| such)": "is not a",
    "one more|one of (its|their) own": "another, a separate one",
    "(no|some|any)body|whoever": "the caller, the owning worker, any thread, the last reference",
    r"(what|who|whom)\s+\w+s": "name the noun: running nodes, waiting threads, stored results",
}
# What keeps its name: fields of events, of JSON and of the graph file, names of other programs, fixed phrases.
ALLOWED = (
    r"[\"'.`]kept\b|\bkept(=|: int)",  # run.done, run.resumed and summary.json
    r"[\"`]site\.(joined|left)|Site(Joined|Left)|site[-_]packages|getsitepackages|import site\b|\bsite\.",  # events
    r"\bsites\b(?=[\"'])|[\"'`]sites?\b|\.sites\b|\bsites(=|: )",  # doctor --json
    r"add_note|__notes__",
    r"[Tt]here (is|are) no\b",
    r"Path\.home|\$HOME|[\"']HOME|XDG_DATA_HOME|expanduser|\bHome(: \(\)| shows the whole run)",  # and the key
    r"\bin place\b",
    r"\bis NO_[A-Z]+",  # constants: NO_DETAILS, NO_TASK
    r"``notes``|\bnotes: tuple\[|\bnotes=\(|\bsimulation\.notes\b",  # simulate --json
    r"\bcomparison\.notes\b|\brow\.note\b|\bnote: str = |[\"']note[\"']",  # compare --json
    r"in[ _-]flight(?![A-Za-z])|\bwork[ _-](items?(?![A-Za-z])|steal)",
)
CLEAN = re.compile("|".join(ALLOWED))
FOUND = {re.compile(START + f"({pattern})" + END, re.IGNORECASE): terms for pattern, terms in BANNED.items()}


def sources(*folders):
    paths = [path for folder in folders for path in ([folder] if folder.is_file() else folder.rglob("*"))]
    return sorted(path for path in paths if path.suffix in {".py", ".js"})


def findings(*folders):
    """Yield the lines that use a term of the left-hand side, with the terms to use."""
    for path in sources(*folders):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            text = CLEAN.sub(" ", line)
            for pattern, terms in FOUND.items():
                if match := pattern.search(text):
                    yield f"{path.relative_to(ROOT)}:{number}: {match[0]!r} -> {terms}: {line.strip()}"


@pytest.mark.parametrize("package", sorted(path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"))
def test_package_uses_the_vocabulary(package):
    assert list(findings(PACKAGE / package)) == []


@pytest.mark.parametrize(
    "line",
    [
        "whoever is told of it", "_told_of_cache = 1", "a place in its pool", "what runs", "nobody waits", "the inbox",
        "it goes on", "folder = path", "what is kept", "is no graph", "a node of its own", "plain call",
    ],
)  # fmt: skip
def test_home_made_term_is_found(line, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    (tmp_path / "module.py").write_text(f"{line}\n")
    assert len(list(findings(tmp_path))) >= 1


@pytest.mark.parametrize(
    "line", ['"site.joined"', "summary.kept", "there is no such run", "site-packages", "three.replace(1)", "shown"]
)
def test_kept_name_is_allowed(line, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    (tmp_path / "module.py").write_text(f"{line}\n")
    assert list(findings(tmp_path)) == []


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in findings(*[Path(name).resolve() for name in sys.argv[1:]]))
