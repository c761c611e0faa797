from taskrunner.analysis.report.layout import Spot, arrange


def test_a_layer_stands_around_the_middle():
    assert arrange([["a", "b", "c"], ["d"]], {}) == {
        "a": Spot(0, -1.0), "b": Spot(0, 0.0), "c": Spot(0, 1.0), "d": Spot(1, 0.0)
    }  # fmt: skip


def test_what_hangs_together_stands_together():
    spots = arrange([["a", "b"], ["x", "y"]], {"x": ["b"], "y": ["a"]})
    assert spots["y"].height < spots["x"].height


def test_boxes_that_nothing_pulls_keep_their_order():
    spots = arrange([["a"], ["x", "y", "z"]], {"x": ["a"], "y": ["a"], "z": ["a"]})
    assert sorted("xyz", key=lambda box: spots[box].height) == ["x", "y", "z"]
