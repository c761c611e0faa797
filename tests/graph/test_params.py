import msgspec
import pytest

from taskrunner.errors import UsageError
from taskrunner.graph.params import parse_setting, resolve
from taskrunner.graph.spec import GraphFile
from taskrunner.graph.template import OPEN

DEFAULTS = {"text": "a", "count": 3, "ratio": 0.5, "flag": False, "list": [1], "object": {"k": 1}, "open": None}
FILE = msgspec.convert({"taskrunner": 1, "nodes": [], "params": DEFAULTS}, GraphFile)
COMPLETE = {"open": 1}


def refused(function, *args):
    with pytest.raises(UsageError) as caught:
        function(*args)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("text=3", ("text", "3")),
        ("text=", ("text", "")),
        ("text=a=b", ("text", "a=b")),
        ('text="q"', ("text", '"q"')),
        ("count=30", ("count", 30)),
        ("count=x", ("count", "x")),
        ("ratio=2", ("ratio", 2)),
        ("flag=true", ("flag", True)),
        ('list=["a", 1]', ("list", ["a", 1])),
        ('object={"a": null}', ("object", {"a": None})),
        ("open=7", ("open", 7)),
        ('open="7"', ("open", "7")),
        ("open=some text", ("open", "some text")),
        ("open=null", ("open", None)),
        ("open=", ("open", "")),
        ("open=1.5", ("open", 1.5)),
        ("open=-3", ("open", -3)),
        ("open=true", ("open", True)),
        ("open=[1.10, 2]", ("open", [1.1, 2])),
        ("ratio=1.10", ("ratio", 1.1)),
    ],
)
def test_setting_is_parsed_by_its_default(text, setting):
    assert parse_setting(FILE, text) == setting


@pytest.mark.parametrize(
    "number",
    [
        "1.10", "1e5", "1E5", "007", "-0", "1.0e2", "0x10", "1_000", "+1", " 7", "1e400", "12345678901234567890.0",
        "0.1000000000000000055511151231257827", "1.", ".5",
    ],
)  # fmt: skip
def test_number_that_json_would_write_differently_is_a_string(number):  # case 26
    assert parse_setting(FILE, f"open={number}") == ("open", number)


def test_setting_without_a_value_is_refused():
    assert refused(parse_setting, FILE, "count") == '"count" is not of the form name=value'


@pytest.mark.parametrize("function", [lambda: parse_setting(FILE, "cuont=1"), lambda: resolve(FILE, {"cuont": 1})])
def test_unknown_parameter_is_told_with_what_was_meant(function):
    assert refused(function) == 'unknown parameter "cuont"; did you mean "count"?'


def test_unknown_parameter_is_told_with_what_there_is():
    names = "text, count, ratio, flag, list, object, open"
    assert refused(parse_setting, FILE, "zzz=1") == f'unknown parameter "zzz"; the graph has: {names}'
    empty = GraphFile(taskrunner=1, nodes=())
    assert refused(parse_setting, empty, "zzz=1") == 'unknown parameter "zzz"; the graph has: none'


def test_deeply_nested_setting_is_refused_or_taken_as_text():
    text = "[" * 100_000
    assert parse_setting(FILE, f"open={text}") == ("open", text)


def test_setting_that_is_not_utf_8_is_taken_as_text():
    assert parse_setting(FILE, "open=\udcff") == ("open", "\udcff")


def test_values_stand_before_defaults():
    assert resolve(FILE, {"count": 4, "open": "x"}) == DEFAULTS | {"count": 4, "open": "x"}


def test_defaults_are_not_changed():
    resolve(FILE, {"count": 4, "open": 1})
    assert FILE.params == DEFAULTS


def test_whole_number_is_taken_where_a_float_is_wanted():
    assert resolve(FILE, {"ratio": 2, **COMPLETE})["ratio"] == 2


@pytest.mark.parametrize("value", [None, 1, "x", [1], {"k": 1}])
def test_parameter_without_a_default_takes_anything(value):
    assert resolve(FILE, {"open": value})["open"] == value


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("count", "x", "takes int, as its default 3, not str 'x'"),
        ("count", 1.5, "takes int, as its default 3, not float 1.5"),
        ("count", True, "takes int, as its default 3, not bool True"),
        ("count", None, "takes int, as its default 3, not NoneType None"),
        ("flag", 1, "takes bool, as its default False, not int 1"),
        ("ratio", True, "takes float, as its default 0.5, not bool True"),
        ("text", 1, "takes str, as its default 'a', not int 1"),
        ("list", {}, "takes list, as its default [1], not dict {}"),
    ],
)
def test_value_of_another_type_is_refused(name, value, message):
    assert refused(resolve, FILE, {name: value, **COMPLETE}) == f'parameter "{name}" {message}'


def test_parameter_that_must_be_set_is_told():
    assert refused(resolve, FILE, {}) == 'no value for parameter "open": set it with --set open=…'
    two = msgspec.structs.replace(FILE, params={"a": None, "b": None, "c": 1})
    assert refused(resolve, two, {}) == 'no value for parameter "a", "b": set it with --set a=…'


def test_incomplete_values_are_fine_where_nothing_is_run():
    assert resolve(FILE, {}, complete=False) == DEFAULTS | {"open": OPEN}
