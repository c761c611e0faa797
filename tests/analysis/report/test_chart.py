import re
import xml.etree.ElementTree as ET

from taskrunner.analysis.report.chart import steps_chart


def paths(html):
    return re.findall(r'class="area ([\w-]+)" d="([^"]+)"', html)


def test_steps_are_drawn_from_left_to_right_and_back_on_the_axis():
    ((name, path),) = paths(steps_chart("running", {"calls": [0.0, 1.0, 1.0, 0.0]}, 4.0, line=1 / 1.08))
    assert name == "of-calls"
    assert path == "M0 100V100H250V7.407H750V100H1000V100H0Z"


def test_series_are_stacked():
    html = steps_chart("running", {"calls": [1.0], "async nodes": [1.0]}, 4.0)
    assert paths(html) == [("of-calls", "M0 100V53.7H1000V100H0Z"), ("of-async-nodes", "M0 53.7V7.407H1000V53.7H0Z")]


def test_a_chart_says_in_words_what_it_shows():
    html = steps_chart("running", {"calls": [0.0, 3.0]}, 4.0)
    assert 'aria-label="running: 1.5 on average, at most 3, at 2.00 s of 4.00 s"' in html
    ET.fromstring(html)  # noqa: S314  it is our own


def test_nothing_is_drawn_as_nothing():
    html = steps_chart("running", {}, 1.0)
    assert paths(html) == []
    ET.fromstring(html)  # noqa: S314  it is our own


def test_large_numbers_are_written_whole():
    assert "at most 12,346" in steps_chart("ready", {"ready": [12345.6]}, 1.0)
