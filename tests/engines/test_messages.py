"""What travels: reports come back as they were sent, whatever they tell of."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.msgpack import Ext

from taskrunner.engines.messages import (
    DONE,
    FAILED,
    MAX_ENTRY_BYTES,
    MISSING_RESULT,
    PREVIOUS,
    GatheredResults,
    OutputFile,
    Placeholder,
    ResultRef,
    Step,
    StepFailure,
    StepReport,
    WorkItem,
    from_bytes,
    to_bytes,
)
from taskrunner.plan.task import CALL
from taskrunner.storage.journal import bounded_entry, result_of


def report(**fields):
    return StepReport("k", 0, "tcp://127.0.0.1:1", 5, 2**60, 3, DONE, **fields)


@pytest.mark.parametrize(
    "sent",
    [
        report(),
        report(gil=True, count=3, items=b"\x00\xff", cpu=2**40),
        report(failure=StepFailure("m", "t\n", "(1)", b"\x80", 0.5, 2.0, is_lost=True)),
        report(output_files=(OutputFile("/a", 1, b"x"), OutputFile("/b", 2**40))),
        StepReport("", 99, "", 0, 0, 0, FAILED, failure=StepFailure("", "", "", b"")),
    ],
)
def test_a_report_comes_back_as_it_was_sent(sent):
    assert from_bytes(to_bytes([sent, sent])) == [sent, sent]


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts, st.integers(0, 2**63 - 1), st.binary(max_size=50), st.floats(0, 1e9), st.booleans())
def test_any_report_comes_back(text, number, data, seconds, is_so):
    trouble = StepFailure(text, text, text, data, seconds if is_so else None, seconds, is_so)
    sent = StepReport(text, number, text, number, number, number, text, is_so, trouble, (text,), number, data)
    (found,) = from_bytes(to_bytes([sent]))
    assert found.entry == [text]
    assert found == StepReport(text, number, text, number, number, number, text, is_so, trouble, [text], number, data)


@pytest.mark.parametrize("value", [None, 5, "x", b"\x00", [1, (2, {3})], {"a": 1.5, 2: None}, 2**100], ids=repr)
def test_a_journal_s_entry_travels_with_its_result(value):
    (found,) = from_bytes(to_bytes([report(entry=bounded_entry("n", value, MAX_ENTRY_BYTES))]))
    node, packed = found.entry
    assert (node, type(packed)) == ("n", Ext)
    assert result_of(tuple(found.entry)) == value


@pytest.mark.parametrize(
    "value", [bytes(MAX_ENTRY_BYTES + 1), "x" * MAX_ENTRY_BYTES, list(range(MAX_ENTRY_BYTES)), object(), 1j + 2]
)
def test_what_is_large_or_cannot_be_stored_stays_behind(value):
    entry = bounded_entry("n", value, MAX_ENTRY_BYTES)
    assert len(entry) == 1 or result_of(entry) == value
    assert len(to_bytes([report(entry=entry)])) < 1000


def test_a_work_is_pickled_as_it_is():
    step = Step(
        "n",
        CALL,
        call=len,
        args=(Placeholder(0), PREVIOUS, GatheredResults([Placeholder(1), MISSING_RESULT, 3]), MISSING_RESULT),
        is_flat=True,
    )
    work = WorkItem("r", "k", (step,))
    found = pickle.loads(pickle.dumps(work))  # noqa: S301  it is our own
    assert (found.key, found.steps[0].args, found.steps[0].call) == ("k", step.args, len)


def test_a_remote_holds_its_handle_and_nothing_else():
    remote = ResultRef("handle")
    assert remote.handle == "handle"
    with pytest.raises(AttributeError):
        remote.more = 1
