from taskrunner.analysis.contention import Contention, SlowedFunction
from taskrunner.analysis.report.contention_section import contention_html, contention_table
from taskrunner.analysis.report.report import report

LOCKED = SlowedFunction("m:f\x1b", 64, 60, 0.5, 1.0, 0.75)
SHARED = SlowedFunction("m:g", 8, 8, 0.1, 0.15, None)


def found(*functions, gil=False):
    return Contention("r0", 4, gil, 3, functions)


def test_a_row_for_each_function_that_has_grown():
    table = contention_table(found(LOCKED, SHARED))
    assert {column.name: column.values for column in table.columns} == {
        "function": ["m:f\\x1b", "m:g"],
        "nodes": [64, 8],
        "slowed": [60, 8],
        "1 worker": [500_000, 100_000],
        "4 workers": [1_000_000, 150_000],
        "ratio": [2.0, 0.15 / 0.1],
        "waiting": [0.75, None],
    }
    assert "Waiting" in table.caption


def test_without_cpu_time_nothing_is_said_of_waiting():
    table = contention_table(found(SHARED))
    assert "waiting" not in [column.name for column in table.columns]
    assert table.caption == "Slowed: nodes that took at least 1.2 times as long as with 1 worker"


def test_it_is_said_what_was_compared():
    text = contention_html(found(LOCKED))
    assert (
        'Compared with run <span class="id">r0</span>, which had 1 worker: of 3 functions, these were slower.' in text
    )
    assert "GIL" not in text
    assert "The GIL was on" in contention_html(found(LOCKED, gil=True))
    assert "none of 3 functions was slower beyond chance" in contention_html(found())
    assert "data-table" not in contention_html(found())


def test_the_page_has_the_section_where_there_was_something_to_compare_with(recording):
    run = recording({"id": "a", "call": "m:g"}).done("a", 0.0, 1.0).end(1.0).run()
    assert 'id="contention"' not in report(run)
    assert 'data-table="contention"' in report(run, found(LOCKED))
    assert "none of 3 functions" in report(run, found())
