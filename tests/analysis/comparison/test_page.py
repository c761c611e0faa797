"""A comparison as a page: whole, the same each time, and nothing in it that somebody else could make run."""

import html
import json
import re
from html.parser import HTMLParser

import pytest

from taskrunner.analysis.comparison.chart import Frame, ratio_plot
from taskrunner.analysis.comparison.compare import Change, Row, Sample, compare
from taskrunner.analysis.comparison.measures import Digest, Measures
from taskrunner.analysis.comparison.page import comparison_page

HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(2)">&"\'\u202e'
TAME = "n" * len(HOSTILE)


def digest_of(run, spent, wall_s=1.0, **fields):
    measures = Measures(wall_s, 1.0, 1.0, 0.25, 0.5, 1.0, 1.0, 32 * 2**20, 1, len(spent), 0, 0, 0, 0)
    known = {"graph": "demo", "abnormal": {}, "functions": {"m:f": 1.0}, "path": tuple(spent)[:1], "caveats": ()}
    return Digest(run=run, measures=measures, facts={"workers": "2"}, spent=spent, **known | fields)


def judged():
    """Return three runs against three: ``n`` doubled, ``m`` did not change."""
    base = [digest_of(f"a{i}", {"n": 1.0 + i / 64, "m": 1.0 + i / 64}, 1.0) for i in range(3)]
    other = [digest_of(f"b{i}", {"n": 2.0 + i / 64, "m": 1.0 + i / 32}, 3.0) for i in range(3)]
    return compare([base, other])


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_all_nodes_are_in_its_tables_with_their_times_in_microseconds():
    tables = data_of(comparison_page(judged()))["tables"]
    assert sorted(tables) == ["functions-B", "nodes-B", "path-B"]
    columns = {column["name"]: column["values"] for column in tables["nodes-B"]["columns"]}
    assert columns["node"] == ["n", "m"]
    assert (columns["A"], columns["B"]) == ([1015625, 1015625], [2015625, 1031250])
    assert columns["B-A, ms"] == [1000.0, 15.625]
    verdicts = tables["nodes-B"]["columns"][-1]
    assert [verdicts["words"][value] for value in verdicts["values"]] == ["changed", "noise"]


def test_a_column_without_values_is_left_out():
    one, two = digest_of("a", {"n": 1.0}), digest_of("b", {"n": 2.0})
    nodes = data_of(comparison_page(compare([[one], [two]])))["tables"]["nodes-B"]
    assert [column["name"] for column in nodes["columns"]] == ["node", "A", "B", "B-A, ms", "B/A"]
    lost = data_of(comparison_page(compare([[one], [digest_of("c", {"m": 2.0})]])))["tables"]["nodes-B"]
    assert [column["name"] for column in lost["columns"]] == ["node", "A", "B", "B-A, ms", "note"]


def test_the_pictures_tell_changes_from_noise_in_words_too():
    page = html.unescape(comparison_page(judged()))
    assert '<circle class="slower"' in page
    assert "<title>n: 1.98x, +1.00 s, changed</title>" in page
    assert "<title>m: 1.02x, +15.6 ms, noise</title>" in page
    assert page.count('<circle class="run"') == 6


def test_a_page_of_three_sides_has_two_pairs():
    sides = [[digest_of(run, {"n": seconds})] for run, seconds in (("a", 1.0), ("b", 2.0), ("c", 4.0))]
    page = comparison_page(compare(sides))
    assert "<h2>B compared with A</h2>" in page
    assert "<h2>C compared with A</h2>" in page
    assert {"nodes-B", "nodes-C"} <= data_of(page)["tables"].keys()


def test_what_somebody_else_has_named_is_text_and_nothing_else():
    fields = {"graph": HOSTILE, "functions": {HOSTILE: 1.0}, "caveats": (HOSTILE,), "abnormal": {HOSTILE: "failed"}}
    tame, wild = [
        comparison_page(compare([[digest_of(run, {node: 1.0}, **each)] for run in ("a", "b")]))
        for node, each in ((TAME, {"abnormal": {TAME: "failed"}, "caveats": ("note",)}), (HOSTILE, fields))
    ]
    assert [tag for tag, _ in Tags(wild).found] == [tag for tag, _ in Tags(tame).found]
    assert "\u202e" not in wild.replace(json.dumps("\u202e"), "").partition('id="data"')[0]


def test_nothing_is_fetched_and_no_attribute_is_one_that_the_policy_ignores():
    for tag, attributes in Tags(comparison_page(judged())).found:
        assert tag not in ("link", "img", "iframe", "base")
        assert not {"src", "href", "style", "srcset"} & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]


def test_the_same_runs_give_the_same_page():
    assert comparison_page(judged()) == comparison_page(judged())


def test_a_comparison_of_runs_in_which_nothing_ran_is_a_page():
    empty = {"wall_s": 0.0, "functions": {}, "path": ()}
    page = comparison_page(compare([[digest_of(run, {}, **empty)] for run in ("a", "b")]))
    assert data_of(page) == {"tables": {}}


def row(name, base, other):
    samples = [Sample(*values) if values else None for values in (base, other)]
    ratio = other[0] / base[0] if base and other else None
    return Row(name, *samples, Change(1.0, ratio), "" if ratio else "only in B")


@pytest.mark.parametrize("most", [1.0, 1.5, 3.0, 1e9])
def test_ratios_lie_on_their_axis_and_inside_the_picture(most):
    rows = [
        row("n", (1.0, 1.0, 1.0), (most, 1.0, most)),
        row("new", None, (1.0, 1.0, 1.0)),
        row("z", (1, 0, 1), (1, 1, 1)),
    ]
    picture = ratio_plot(rows, "A", "B")
    frame = Frame([row.name for row in rows])
    places = [float(x) for x in re.findall(r' (?:x1|x2|cx)="([\d.]+)"', picture)]
    assert places
    assert all(frame.x(0) <= place <= frame.x(1) for place in places)
    assert f'<line class="one" x1="{frame.x(0.5):.1f}"' in picture
    assert picture.count("<circle") == 1  # where there is no ratio, or a range without an end, words tell it


def test_a_long_name_is_cut_in_the_middle():
    (name,) = Frame(["a" * 100 + "b" * 100]).names
    assert (len(name), name[0], name[-1]) == (43, "a", "b")
