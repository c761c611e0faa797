import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from taskrunner.analysis.report import graph_svg as graph_picture
from taskrunner.analysis.report.graph_svg import OTHERS, picture_of, svg
from taskrunner.analysis.report.groups import groups_of

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = 'x"><script>alert(1)</script>\n\x1b[31m\u202e'


def picture(run, rows=None):
    return picture_of(run, run.dag, groups_of(run.dag), rows or {})


def call(node, function="m:f", **fields):
    return {"id": node, "call": function, **fields}


def chain(count, function="m:f", name="n"):
    return [call(f"{name}{i}", function, **({"needs": [f"{name}{i - 1}"]} if i else {})) for i in range(count)]


def test_a_small_graph_is_drawn_whole(recording):
    record = recording(call("a"), call("b", needs=["a"]), call("c", needs=["a"]), call("d", needs=["b", "c"]))
    record.done("a", 0.0, 1.0).done("b", 1.0, 3.0).failed("c", 1.0, 1.0).skipped("d", "needs", "c")
    found = picture(record.run(), {"a": 0, "b": 1})
    assert found.is_whole
    assert found.layers == [["a"], ["b", "c"], ["d"]]
    assert found.predecessors == {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}
    told = {key: (box.detail, box.state, box.critical, box.row) for key, box in found.boxes.items()}
    assert told == {
        "a": ("1.00 s", "done", True, 0),
        "b": ("3.00 s", "done", True, 1),
        "c": ("1.00 s", "failed", False, -1),
        "d": ("skipped", "skipped", False, -1),
    }
    assert ("a", "b") in found.critical
    assert ("a", "c") not in found.critical


def test_a_mapped_node_has_the_time_and_the_worst_state_of_its_children(recording):
    record = (
        recording(call("m", map=[1, 2])).done("m[0]", 0.0, 1.0).failed("m[1]", 0.0, 2.0).skipped("m", "needs", "m[1]")
    )
    box = picture(record.run()).boxes["m"]
    assert (box.detail, box.state) == ("2 items, 3.00 s", "failed")


def test_a_mapped_node_that_was_never_expanded(recording):
    assert picture(recording(call("m", map=[1, 2])).run()).boxes["m"].detail == "map, not ended"


@pytest.mark.parametrize("nodes", [chain(201), [call(f"a{i}") for i in range(31)]])
def test_a_long_or_broad_graph_is_drawn_in_groups(recording, nodes):
    record = recording(*nodes)
    for i, node in enumerate(nodes):
        record.done(node["id"], float(i), 1.0)
    found = picture(record.run())
    assert not found.is_whole
    assert len(found.layers) <= graph_picture.MAX_BANDS
    counts = [int(box.detail.split()[0].replace(",", "")) for box in found.boxes.values()]
    assert sum(counts) == len(nodes)
    assert all(box.critical for box in found.boxes.values())
    keys = [layer[0] for layer in found.layers]
    assert [found.predecessors[key] for key in keys] == [[], *[[key] for key in keys[:-1]]]
    assert found.critical >= frozenset(pairwise(keys))


def test_of_many_functions_in_a_band_the_small_ones_are_one_group(recording):
    nodes = [call(f"a{i}", f"m:f{i % 40}") for i in range(120)]
    record = recording(*nodes)
    for i, node in enumerate(nodes):
        record.done(node["id"], 0.0, float(i % 40))
    names = [box.name for box in picture(record.run()).boxes.values()]
    assert sorted(names) == sorted(["m:f39", "m:f38", "m:f37", "m:f36", "m:f35", OTHERS])


def test_a_group_has_the_worst_state_of_its_nodes(recording):
    nodes = [call(f"a{i}") for i in range(40)]
    record = recording(*nodes).failed("a7", 0.0, 1.0)
    (box,) = picture(record.run()).boxes.values()
    assert (box.name, box.state, box.detail) == ("a", "failed", "40 nodes, 1.00 s")


def test_a_picture_is_valid_xml_and_draws_each_box_and_arrow_once(recording):
    record = recording(call(HOSTILE), call("b", needs=[HOSTILE])).done(HOSTILE, 0.0, 1.0).done("b", 1.0, 1.0)
    text = svg(picture(record.run(), {HOSTILE: 0, "b": 1}))
    root = ET.fromstring(text.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"'))  # noqa: S314  it is our own
    boxes = root.findall(f"{SVG}g")
    assert len(boxes) == 2
    assert [box.attrib["data-row"] for box in boxes] == ["0", "1"]
    assert len(root.findall(f"{SVG}path[@class='critical']")) == 1
    assert boxes[0].find(f"{SVG}title").text == (
        'x"><script>alert(1)</script>\\n\\x1b[31m\\u202e: done, 1.00 s, on the critical path'
    )


def test_boxes_do_not_lie_upon_each_other(recording):
    nodes = [*[call(f"a{i}") for i in range(20)], call("z", needs=[f"a{i}" for i in range(20)])]
    text = svg(picture(recording(*nodes).run()))
    places = re.findall(r'<rect x="([\d.-]+)" y="([\d.-]+)" width="172"', text)
    assert len(set(places)) == 21
    heights = sorted(float(y) for x, y in places if x == "0")
    assert heights[0] == 0
    assert all(low + graph_picture._HEIGHT <= high for low, high in pairwise(heights))


def test_long_names_are_cut_and_told_whole_in_their_titles(recording):
    text = svg(picture(recording(call("abcdefg" * 10 + "END")).run()))
    assert f"<title>{'abcdefg' * 10}END" in text
    (shown,) = re.findall(r'<text x="13" y="16">(.*?)</text>', text)
    assert len(shown) == graph_picture._MAX_NAME_CHARS
    assert shown.endswith("END")
