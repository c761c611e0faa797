import itertools

import pytest

from taskrunner.analysis.graph_view.colors import BLACK, FILLS, apply_color, omit_color


def luminance(colour):
    """WCAG 2.1, relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("state", FILLS)
def test_text_is_legible_on_each_fill(state):
    contrast = (luminance(FILLS[state]) + 0.05) / (luminance(BLACK) + 0.05)
    assert contrast >= 4.5


def test_no_two_states_look_alike():
    assert all(a != b for a, b in itertools.combinations(FILLS.values(), 2))
    # Also to those who see no colours at all, what failed is darker than whatever went well.
    assert luminance(FILLS["failed"]) < 0.6 * luminance(FILLS["done"])


def test_paint():
    assert apply_color("x", "failed", bold=False) == "\x1b[31mx\x1b[0m"
    assert apply_color("x", "failed", bold=True) == "\x1b[31;1mx\x1b[0m"
    assert all(apply_color("x", state, bold=False).endswith("mx\x1b[0m") for state in FILLS)
    assert omit_color("x", "failed", bold=True) == "x"
