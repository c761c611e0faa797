"""The page in a real browser: it loads, sorts, searches, zooms, and complains of nothing."""

import json
import re

import pytest

from browser import Browser, find_browser
from taskrunner.analysis.formatting import format_seconds
from taskrunner.analysis.report.report import report

PROGRAM = find_browser()
pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="no chromium or chrome on PATH, nor in TASKRUNNER_CHROMIUM"),
    pytest.mark.timeout(300),
]

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
ENTER, SPACE = 13, 32


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    opened = Browser(PROGRAM, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Return what opens a run's page; at the end nobody may have complained."""

    def show(run, width=1200, scheme="light"):
        path = tmp_path / "page.html"
        path.write_text(report(run))
        browser.size(width, 900)
        browser.prefer(scheme)
        browser.open(path)
        return browser

    browser.complaints.clear()
    yield show
    assert browser.value("document.title") != "owned"
    assert browser.complaints == []


def call(node, function="m:f", **fields):
    return {"id": node, "call": function, **fields}


@pytest.fixture
def small(recording):
    """Return a run of three calls, one of them stolen, and a command, all seconds long."""
    nodes = [call("a10", "m:g"), call("a9", needs=["a10"]), call(HOSTILE), {"id": "c", "run": ["sort"]}]
    record = recording(*nodes).done("a10", 0.0, 2.0).done("a9", 3.0, 4.0, worker=1, queued_s=1.0, stolen=True)
    record.failed(HOSTILE, 0.0, 1.0, worker=1).done("c", 1.0, 1.0, worker=-1)
    return record.end(8.0).run(state="failed")


@pytest.fixture
def many(recording):
    """Return what gives a run of so many nodes, in layers of a hundred, on two workers."""

    def made(count):
        nodes = [call(f"n{i}", f"m:f{i % 9}", needs=[f"n{i - 100}"] if i >= 100 else []) for i in range(count)]
        record = recording(*nodes)
        for i in range(count):
            record.done(f"n{i}", i * 1e-4, 1.5e-4, worker=i % 2, queued_s=5e-5, stolen=i % 50 == 0)
        return record.end(count * 1e-4 + 1e-3).run()

    return made


def cells(browser, column, table="nodes"):
    path = f'[data-table="{table}"] tbody td:nth-child({column})'
    return browser.value(f"[...document.querySelectorAll('{path}')].map((cell) => cell.textContent)")


def status(browser):
    return browser.value("document.querySelector('[data-table=nodes] [role=status]').textContent")


def view(browser):
    return browser.value("report.line.view()")


def focus(browser, selector):
    assert browser.value(f"document.querySelector({selector!r}).focus() ?? document.activeElement.tagName")


HEAD = "[data-table=nodes] th:nth-child({}) button"


def test_a_header_sorts_by_a_click_and_by_the_keyboard(opened, small):
    browser = opened(small)
    browser.value(f"document.querySelector('{HEAD.format(1)}').click()")
    assert cells(browser, 1) == [HOSTILE, "a9", "a10", "c"]  # numbers in names by their size
    sort = "document.querySelector('[data-table=nodes] th:nth-child({})').getAttribute('aria-sort')"
    assert browser.value(sort.format(1)) == "ascending"
    focus(browser, HEAD.format(1))
    browser.press("Enter", ENTER, "\r")
    assert browser.value(sort.format(1)) == "descending"
    assert cells(browser, 1) == ["c", "a10", "a9", HOSTILE]
    focus(browser, HEAD.format(7))
    browser.press(" ", SPACE, " ")
    assert browser.value(sort.format(7)) == "descending"  # figures begin with the largest
    assert browser.value(sort.format(1)) is None
    assert cells(browser, 7) == ["4.00 s", "2.00 s", "1.00 s", "1.00 s"]


def test_what_has_no_value_comes_last_in_both_directions(opened, recording):
    run = recording(call("a"), call("b"), call("c")).done("a", 0.0, 1.0).done("b", 0.0, 2.0).skipped("c", "when").run()
    browser = opened(run)
    ran = browser.value("page.data.tables.nodes.columns.findIndex((column) => column.name === 'ran')")
    browser.value(f"page.tables.nodes.sort({ran})")
    assert cells(browser, 1) == ["b", "a", "c"]
    browser.value(f"page.tables.nodes.sort({ran})")
    assert cells(browser, 1) == ["a", "b", "c"]


def test_searching_shows_the_rows_that_have_all_words(opened, small):
    browser = opened(small)
    focus(browser, "[data-table=nodes] input")
    browser.ask("Input.insertText", text="DONE worker")
    assert sorted(cells(browser, 1)) == ["a10", "a9"]
    assert status(browser) == "2 found, of 4"
    browser.ask("Input.insertText", text=" nowhere")
    assert cells(browser, 1) == []
    assert status(browser) == "0 found, of 4"


def test_the_timeline_zooms_and_moves_by_keys_and_buttons(opened, small):
    browser = opened(small)
    assert view(browser) == {"from": 0, "to": 8_000_000}
    focus(browser, "canvas")
    browser.press("+", 187, "+")
    assert view(browser) == {"from": 2_000_000, "to": 6_000_000}
    browser.press("ArrowRight", 39)
    assert view(browser) == {"from": 2_400_000, "to": 6_400_000}
    browser.press("-", 189, "-")
    assert view(browser) == {"from": 0, "to": 8_000_000}  # no further than the run
    browser.value("document.querySelector('[aria-label=\"Zoom in\"]').click()")
    assert browser.value("document.getElementById('range').textContent").startswith(
        "2.00 s to 6.00 s of 8.00 s, 1 in view"
    )
    browser.press("Home", 36)
    assert view(browser) == {"from": 0, "to": 8_000_000}
    assert browser.value("document.querySelector('canvas').getAttribute('aria-label')") == (
        "Timeline of 3 lanes, the whole run: 8.00 s, 4 in view"
    )


def test_the_wheel_zooms_only_with_ctrl(opened, small):
    browser = opened(small)
    browser.value("document.querySelector('canvas').scrollIntoView()")
    left, top = browser.value(
        "(({left, top}) => [left, top])(document.querySelector('canvas').getBoundingClientRect())"
    )
    browser.mouse("mouseWheel", left + 400, top + 40, deltaX=0, deltaY=-10)
    assert view(browser)["to"] == 8_000_000
    browser.mouse("mouseWheel", left + 400, top + 40, deltaX=0, deltaY=-100, modifiers=2)
    assert view(browser)["to"] - view(browser)["from"] == pytest.approx(6_400_000)


def test_dragging_moves(opened, small):
    browser = opened(small)
    browser.value("report.line.setView(2e6, 4e6)")
    left, top = browser.value(
        "(({left, top}) => [left, top])(document.querySelector('canvas').getBoundingClientRect())"
    )
    browser.mouse("mousePressed", left + 400, top + 10, button="left", clickCount=1)
    browser.mouse("mouseMoved", left + 300, top + 10, button="left")
    browser.mouse("mouseReleased", left + 300, top + 10, button="left", clickCount=1)
    assert view(browser)["from"] > 2_000_000
    assert view(browser)["to"] - view(browser)["from"] == 2_000_000


def picked(browser):
    return browser.value("document.querySelector('#picked .id').textContent")


def test_a_node_picked_in_the_timeline_is_marked_in_the_table_and_in_the_graph(opened, small):
    browser = opened(small)
    box = browser.value("document.querySelector('canvas').getBoundingClientRect().toJSON()")
    place = browser.value("report.line.box(0, 0)")
    browser.mouse("mouseMoved", box["left"] + place["left"] + 20, box["top"] + place["top"])
    told = "a10: done, worker 0, started at 0 us, queued 0 us, ran 2.00 s"
    assert browser.value("document.querySelector('.tip').textContent") == told
    for kind in ("mousePressed", "mouseReleased"):
        browser.mouse(kind, box["left"] + place["left"] + 20, box["top"] + place["top"], button="left", clickCount=1)
    assert picked(browser) == told
    assert browser.value("document.querySelector('[data-table=nodes] tr[aria-current] td').textContent") == "a10"
    assert browser.value("document.querySelector('.box.picked title').textContent").startswith("a10: done")


def test_a_node_picked_in_the_table_is_marked_in_the_timeline(opened, small):
    browser = opened(small)
    browser.value("report.line.setView(0, 1e6)")
    row = cells(browser, 1).index("a9") + 1
    focus(browser, f"[data-table=nodes] tbody tr:nth-child({row}) .pick")
    browser.press("Enter", ENTER, "\r")
    assert picked(browser) == "a9: done, worker 1, stolen from worker 0, started at 3.00 s, queued 1.00 s, ran 4.00 s"
    assert view(browser) == {"from": 2_500_000, "to": 3_500_000}


def test_keys_go_from_node_to_node(opened, small):
    browser = opened(small)
    focus(browser, "canvas")
    names = []
    for key in ("n", "n", "ArrowDown", "n", "p", "ArrowUp"):
        browser.press(key, 0, key if len(key) == 1 else "")
        names.append(picked(browser).partition(":")[0])
    assert names == ["a10", "a10", HOSTILE.partition(":")[0], "a9", HOSTILE.partition(":")[0], "a10"]


def test_a_box_of_the_graph_is_a_button(opened, small):
    browser = opened(small)
    focus(browser, ".graph .box[data-row]")
    browser.press("Enter", ENTER, "\r")
    assert picked(browser).startswith("a10: done")


CHANGE = """(() => {
    const select = document.querySelector("#lanes select");
    select.value = "%s";
    select.dispatchEvent(new Event("change"));
})()"""


def pixel(browser, x, y, origin="({left: 0, top: 0})"):
    """Return the colour of a pixel of the timeline. It is read from a copy: reading a canvas slows it down."""
    return browser.value(f"""(() => {{
        const {{left, top}} = {origin};
        const pen = new OffscreenCanvas(1, 1).getContext("2d", {{willReadFrequently: true}});
        pen.drawImage(document.querySelector("canvas"), -left - {x}, -top - {y});
        return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
    }})()""")


def test_colours_go_by_state_or_function_or_path(opened, small):
    browser = opened(small)
    legend = "[...document.querySelectorAll('.legend .key-text')].map((key) => key.textContent)"
    assert browser.value(legend) == ["m:f", "m:g", "$ sort", "queued"]
    seen = {}
    for by in ("function", "state", "critical path"):
        browser.value(CHANGE % by)
        seen[by] = (pixel(browser, 60, -9, "report.line.box(0, 0)"), browser.value(legend))
    assert seen["state"][1] == ["failed", "done", "queued"]
    assert seen["critical path"][1] == ["on the critical path", "others", "queued"]
    assert seen["critical path"][0] == [17, 17, 17]
    assert seen["state"][0] == [0, 114, 178]
    assert seen["function"][0] == [179, 89, 0]


def test_the_theme_follows_the_system_until_the_button_says_otherwise(opened, small):
    browser = opened(small, scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert (browser.value(ground), pixel(browser, 1, 1)) == ("rgb(21, 24, 28)", [21, 24, 28])
    browser.value("document.getElementById('theme').click()")
    assert (browser.value(ground), pixel(browser, 1, 1)) == ("rgb(255, 255, 255)", [255, 255, 255])
    assert browser.value("document.getElementById('theme').textContent") == "Dark theme"
    browser.value("document.getElementById('theme').click(); localStorage.clear()")
    assert browser.value(ground) == "rgb(21, 24, 28)"


def test_paper_is_light_and_everything_on_it_is_open(opened, recording):
    record = recording(*[call(f"n{i}") for i in range(7)])
    for i in range(7):
        record.failed(f"n{i}", 0.0, 1.0)
    browser = opened(record.run(), scheme="dark")
    shut = "document.querySelectorAll('details:not([open])').length"
    assert browser.value(shut) == 2
    browser.value("dispatchEvent(new Event('beforeprint'))")
    assert (browser.value(shut), browser.value("page.theme()")) == (0, "light")
    browser.value("dispatchEvent(new Event('afterprint'))")
    assert (browser.value(shut), browser.value("page.theme()")) == (2, "dark")


def test_a_narrow_page_does_not_scroll_sideways(opened, small):
    browser = opened(small, width=420)
    assert browser.value("document.documentElement.scrollWidth") <= 420


def test_times_are_written_as_in_the_summary(opened, small):
    browser = opened(small)
    times = [0, 1, 999, 1000, 1234, 99_949, 999_949, 1_000_000, 12_340_000, 99_994_000, 100_000_000, 3_600_000_000]
    found = browser.value(f"{json.dumps(times)}.map(page.time)")
    assert found == [format_seconds(each / 1e6) for each in times]


@pytest.mark.parametrize("state", ["empty", "killed", "no graph"])
def test_odd_runs_load_too(opened, recording, state):
    runs = {
        "empty": lambda: recording().end(0.0).run(),
        "killed": lambda: recording(call("a"), call("b")).run(state="unfinished"),
        "no graph": lambda: recording(call("a")).done("a", 0.0, 1.0).run(has_graph=False),
    }
    browser = opened(runs[state]())
    assert browser.value("document.querySelector('#summary dl') !== null")


def test_ten_thousand_nodes(opened, many):
    browser = opened(many(10_000))
    assert status(browser) == "first 500 of 10,000"
    assert browser.value("document.querySelectorAll('[data-table=nodes] tbody tr').length") == 500
    told = browser.value("document.getElementById('range').textContent")
    assert re.fullmatch(r"the whole run: 1\.00 s, 10,000 in view; 200 steals: zoom in to see them", told)
    browser.value("report.line.setView(5e5, 5.01e5)")
    assert "zoom" not in browser.value("document.getElementById('range').textContent")
    browser.value("document.querySelector('[data-table=nodes] .bar button:last-child').click()")
    assert status(browser) == "501 to 1,000 of 10,000"
    browser.value("page.tables.nodes.show(9999)")
    assert status(browser) == "9,501 to 10,000 of 10,000"


@pytest.mark.stress
def test_two_hundred_thousand_nodes(opened, many):
    browser = opened(many(200_000))
    assert status(browser) == "first 500 of 200,000"
    assert browser.value("document.querySelectorAll('*').length") < 12_000
    spent = "(() => { const begun = performance.now(); %s; return performance.now() - begun })()"
    assert browser.value(spent % "report.line.redraw()") < 1000
    assert browser.value(spent % "page.tables.nodes.sort(0)") < 10_000
    assert browser.value(spent % "page.tables.nodes.find('n12345')") < 5000
    assert status(browser) == "11 found, of 200,000"
