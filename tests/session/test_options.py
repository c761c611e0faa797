"""The options of a run: one type, one set of keywords, one line of documentation each."""

import inspect
import re

import msgspec
import pytest

import taskrunner
from taskrunner.engines.dask.engine import DaskEngine
from taskrunner.errors import UsageError
from taskrunner.session.options import RunKeywords, RunOptions

FIELDS = RunOptions.__struct_fields__
GRAPH = taskrunner.Graph()
GRAPH.call(int, id="zero")


def documented():
    """Return the names that the docstring of ``run`` explains below "Options"."""
    section = re.search(r"^Options:\n(.*?)(?=^\S)", inspect.getdoc(taskrunner.run), re.DOTALL | re.MULTILINE)
    return re.findall(r"^    (\w+): ", section[1], re.MULTILINE)


def test_keywords_fields_and_documentation_name_the_same_options():
    assert list(RunKeywords.__annotations__) == list(FIELDS)
    assert documented() == list(FIELDS)


def test_keywords_and_fields_have_the_same_types():
    assert RunKeywords.__annotations__ == RunOptions.__annotations__


def test_run_takes_options_and_keywords_replace_some_of_them():
    options = RunOptions(workers=1, targets=["zero"])
    assert taskrunner.run(GRAPH, options).summary.workers == 1
    assert taskrunner.run(GRAPH, options, workers=2).summary.workers == 2
    assert options.workers == 1
    with pytest.raises(AttributeError):
        options.workers = 3


def test_unknown_keyword_is_a_type_error():
    with pytest.raises(TypeError, match="wokers"):
        taskrunner.run(GRAPH, wokers=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "a run needs at least 1 worker, not 0"),
        ({"timeout": 0}, "a timeout is a number of seconds above 0, not 0"),
        ({"timeout": 1e300}, "a timeout is a number of seconds above 0, not 1e+300"),
        ({"timeout": float("nan")}, "a timeout is a number of seconds above 0, not nan"),
        ({"log_level": "loud"}, 'unknown log level "loud"; the levels are debug, info, warning, error'),
        (
            {"shuffle": 1, "replay": "last", "run_dir": "runs"},
            "a run can follow a seed or replay another run, not both",
        ),
        ({"replay": "last"}, "a run can be replayed only where runs have directories"),
        ({"resume": "last", "journal": False}, "a run cannot be resumed without a journal"),
        ({"engine": DaskEngine(), "workers": 2}, "the engine determines the number of workers"),
        ({"engine": DaskEngine(), "shuffle": 2}, "only threads of this process can follow a given order"),
    ],
)
def test_option_out_of_range_or_in_conflict_is_refused(options, message):
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        RunOptions(**options)
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        taskrunner.run(GRAPH, **options)
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        msgspec.structs.replace(RunOptions(), **options)
