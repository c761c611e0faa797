import base64
import hashlib
import html
import json
import re

import pytest

from taskrunner.analysis.html.page import asset, html_text, page

HOSTILE = "</script><script>alert(1)</script><!-- \u2028 ' \" &"
CSS = asset("page.css")
COLOURS = {name: pair for name, *pair in re.findall(r"--(\w+): light-dark\((#\w+), (#\w+)\)", CSS)}


def made():
    return page(HOSTILE, "<p>text</p>", {"name": HOSTILE}, ["report.css", "timeline.js"])


def test_hostile_data_stays_data():
    text = made()
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert json.loads(data) == {"name": HOSTILE}
    assert "<" not in data
    assert f"<title>{html_text(HOSTILE)}</title>" in text
    assert "alert(1)</script>" not in text


def test_the_policy_names_what_stands_in_the_page_and_nothing_else():
    text = made()
    (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', text)
    rules = dict(rule.split(" ", 1) for rule in html.unescape(policy).split("; "))
    assert rules["default-src"] == "'none'"
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        blocks = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(block.encode()).digest()).decode() for block in blocks]
        assert len(blocks) == 2
        assert rules[rule] == " ".join(f"'sha256-{digest}'" for digest in digests)


def test_nothing_is_fetched_from_anywhere():
    assert re.findall(r"(?:src|href)=|@import|url\(|https?://", made()) == []


@pytest.mark.parametrize("name", ["page.css", "page.js", "report.css", "report.js", "timeline.js"])
def test_assets_end_no_element_and_hold_no_markup(name):
    assert (
        re.findall(r"</(?:script|style)|<!--|innerHTML|insertAdjacentHTML|document\.write|\beval\b", asset(name)) == []
    )


def test_names_are_shown_on_one_line_and_turn_nothing_round():
    assert html_text("a\n<b>\u202e") == "a\\n&lt;b&gt;\\u202e"


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    """https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1])
def test_texts_and_colours_can_be_told_from_what_they_stand_on(theme):
    colours = {name: pair[theme] for name, pair in COLOURS.items()}
    for name in ("ink", "muted", "accent"):
        for ground in ("paper", "raised", "mark"):
            assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
    filled = [name for name in colours if name.startswith("group")]
    for name in [*filled, "done", "cached", "failed", "allowed", "retried", "skipped", "critical"]:
        assert contrast(colours[name], colours["paper"]) >= 4.5, name  # names are written on them in this colour
    assert contrast(colours["waiting"], colours["paper"]) >= 3
