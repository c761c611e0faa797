"""The speed-up curve, as bars of text and in SVG."""

from xml.etree import ElementTree as ET

import msgspec
import pytest

from taskrunner.analysis.simulation import speedup_curve as curve
from taskrunner.analysis.simulation.simulate import simulate
from taskrunner.analysis.simulation.speedup_curve import ASCII, BLOCKS, bars, marks_for, svg

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def found(hand):
    graph = hand.dag(hand.call("a"), hand.call("b"), hand.call("c"))
    events = (hand.done("a", ran=2), hand.done("b", ran=2), hand.done("c", ran=4), hand.end(4.5))
    return simulate(hand.run(graph, *events), [1, 2, 4])


def test_bars_are_the_speed_up_and_then_what_the_bound_allows(hand):
    events = [hand.done(node, ran=ran) for node, ran in {"a": 2, "b": 1, "c": 2, "d": 3}.items()]
    run = hand.run(hand.dag(*map(hand.call, "abcd")), *events)
    assert bars(simulate(run, [1, 2]).predictions, 34) == [
        "1 ████████▌         1.00 of 1.00",
        "2 █████████████████ 2.00 of 2.00",
    ]


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("marks", [BLOCKS, ASCII])
def test_bars_are_as_wide_as_they_may(found, width, marks):
    for line in bars(found.predictions, width, marks):
        assert len(line) <= max(width, 28)


@pytest.mark.parametrize(
    ("encoding", "marks"),
    [("utf-8", BLOCKS), ("cp437", ASCII), ("ascii", ASCII), ("latin-1", ASCII), (None, ASCII), ("no-such", ASCII)],
)
def test_marks_are_those_that_the_encoding_has(encoding, marks):
    assert marks_for(encoding) is marks


def drawn(found):
    return ET.fromstring(svg(found))  # noqa: S314  its own picture


def test_the_picture_tells_of_itself_in_words(found):
    picture = drawn(found)
    title, described = picture.find(f"{SVG}title"), picture.find(f"{SVG}desc")
    assert picture.get("aria-labelledby").split() == [title.get("id"), described.get("id")]
    assert title.text == "Speed-up of g, simulated"
    assert "1 worker: 8.50 s, speed-up 1.00, the bound (work) allows 1.06; 2 workers: 6.50 s" in described.text
    assert "prefers-color-scheme: dark" in picture.find(f"{SVG}style").text


def test_each_prediction_has_a_dot_at_its_place_and_all_lines_are_there(found):
    picture = drawn(found)
    dots = [circle for circle in picture.iter(f"{SVG}circle") if circle.get("class") == "dot"]
    scale = curve.Scale(found.predictions)
    places = [(f"{scale.x(p.workers):.1f}", f"{scale.y(p.speedup):.1f}") for p in found.predictions]
    assert [(dot.get("cx"), dot.get("cy")) for dot in dots] == places
    points = {line.get("class").split()[-1]: line.get("points") for line in picture.iter(f"{SVG}polyline")}
    assert points.keys() == {"ideal", "bound", "predicted"}
    assert points["predicted"] == " ".join(",".join(place) for place in places)
    ideal = [f"{scale.x(n):.1f},{scale.y(n):.1f}" for n in (1, 4)]
    assert points["ideal"].split() == ideal


def test_what_was_measured_is_marked_where_it_is_known(found):
    def marks(simulation):
        return [c.find(f"{SVG}title") for c in drawn(simulation).iter(f"{SVG}circle") if c.get("class") == "measured"]

    legend, mark = marks(found)
    assert (legend, mark.text) == (None, "measured on 2 workers: 4.50 s")
    assert marks(msgspec.structs.replace(found, measured_s=None)) == []
    assert marks(msgspec.structs.replace(found, workers=99)) == []


@pytest.mark.parametrize("counts", [[1], [7], [3, 5], [1, 4096], list(range(1, 65))])
def test_all_is_within_the_picture(hand, counts):
    graph = hand.dag(hand.call("a"), hand.call("b"))
    picture = drawn(simulate(hand.run(graph, hand.done("a"), hand.done("b"), hand.end(1.0)), counts))
    for text in picture.iter(f"{SVG}text"):
        assert 0 <= float(text.get("x")) <= curve.WIDTH
        assert 0 <= float(text.get("y")) <= curve.HEIGHT
    for circle in picture.iter(f"{SVG}circle"):
        assert 0 <= float(circle.get("cx")) <= curve.WIDTH
        assert 0 <= float(circle.get("cy")) <= curve.HEIGHT
    labels = [text.text for text in picture.iter(f"{SVG}text") if text.get("y") == f"{curve.HEIGHT - 42:.1f}"]
    assert labels[0] == str(counts[0])
    assert len(labels) <= 20


def test_names_from_elsewhere_stay_text(found):
    hostile = msgspec.structs.replace(found, graph='</title><script>alert("x")</script>\x1b[31m&' + "x" * 500)
    text = svg(hostile)
    assert "<script" not in text
    assert "\x1b" not in text
    assert len(drawn(hostile).find(f"{SVG}title").text) < 100
