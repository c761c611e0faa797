import functools
import itertools
import subprocess
import sys
import textwrap
import threading
import types
from pathlib import Path

import pytest

from taskrunner.reuse.code_reader import UnknownCodeError
from taskrunner.reuse.fingerprint import fingerprint

ROOT = Path(__file__).parents[2]


def module(text, name="made"):
    found = types.ModuleType(name)
    exec(compile(textwrap.dedent(text), f"{name}.py", "exec"), vars(found))  # noqa: S102  the test's own text
    return found


def of(text, name="f"):
    return fingerprint(vars(module(text))[name])


BASE = """
    import enum, functools, re
    from dataclasses import dataclass

    LIMIT = 3
    TABLE = {"a": [1, 2], "b": {"x", "y"}}
    WORD = re.compile("a+")
    MATCH = re.compile("b+").match

    class Colour(enum.Enum):
        RED = 1

    PAINT = Colour.RED

    @dataclass
    class Point:
        x: int
        y: int = 7

        @property
        def sum(self): return self.x + self.y
        @staticmethod
        def zero(): return 0
        @functools.cached_property
        def once(self): return 1

    class Base:
        def size(self): return 11
        def fill(self): self.one = self.two = self.three = self.four = self.five = None

    class Derived(Base):
        def other(self): return deep() + super().size()

    ORIGIN = Point(1, 2)

    def deep(): return 5
    def helper(n): return n + deep()

    @functools.lru_cache
    def remembered(n): return n * 13

    def wrapping(function):
        @functools.wraps(function)
        def inner(*args): return function(*args)
        return inner

    @wrapping
    def wrapped(n): return n * 17

    bound = functools.partial(helper, 19)

    def unused(): return 23

    def f(n, m=29):
        def inner(k): return helper(k) + LIMIT
        colours = [Colour.RED, PAINT]
        text = WORD.sub(str(TABLE), "aa") if MATCH("b") else ORIGIN
        return inner(n), colours, text, Point, Derived().other(), remembered(n), wrapped(n), bound(), m
"""

CHANGES = [
    ("the function itself", "inner(n), colours", "inner(n + 0), colours"),
    ("a constant in it", "else ORIGIN", "else ORIGIN or 1"),
    ("the type of a constant in it", '"aa"', 'b"aa"'),
    ("an attribute", "WORD.sub(", "WORD.subn("),
    ("a function inside it", "helper(k) + LIMIT", "helper(k) - LIMIT"),
    ("a default", "m=29", "m=29.0"),
    ("the name of an argument", "(n, m=29)", "(n, m=29, *more)"),
    ("a helper", "n + deep()", "n - deep()"),
    ("a helper's helper", "return 5", "return 6"),
    ("a number of the module", "LIMIT = 3", "LIMIT = 4"),
    ("its type", "LIMIT = 3", "LIMIT = 3.0"),
    ("its type again", "LIMIT = 3", "LIMIT = True + 2.0"),
    ("deep in a table", "[1, 2]", "[1, 3]"),
    ("the kind of a part of a table", "[1, 2]", "(1, 2)"),
    ("the order of a table", '"a": [1, 2], "b": {"x", "y"}', '"b": {"x", "y"}, "a": [1, 2]'),
    ("a set in a table", '"y"}', '"z"}'),
    ("a pattern", '"a+"', '"a*"'),
    ("a pattern's flags", '"a+"', '"a+", re.I'),
    ("a pattern's method", '"b+"', '"b*"'),
    ("an enumeration", "RED = 1", "RED = 2"),
    ("a member of it", "PAINT = Colour.RED", "PAINT = None"),
    ("a field", "y: int = 7", "y: int = 8"),
    ("another field", "        x: int\n", "        x: int\n        z: int = 0\n"),
    ("a property", "self.x + self.y", "self.x - self.y"),
    ("a static method", "return 0", "return 1.5"),
    ("a cached property", "return 1\n", "return 2\n"),
    ("a method of a base class", "return 11", "return 12"),
    ("a base class", "Derived(Base)", "Derived(Base, Point)"),
    ("a method", "deep() + super()", "deep() - super()"),
    ("an object", "Point(1, 2)", "Point(1, 3)"),
    ("a cached function", "n * 13", "n * 14"),
    ("a decorator", "return function(*args)", "return function(*args, 1)"),
    ("a decorated function", "n * 17", "n * 18"),
    ("a partial function", "(helper, 19)", "(helper, 20)"),
]


@pytest.mark.parametrize(("old", "new"), [change[1:] for change in CHANGES], ids=[change[0] for change in CHANGES])
def test_a_change_of_what_it_computes_with_changes_it(old, new):
    assert BASE.count(old) == 1
    assert of(BASE) != of(BASE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return 23", "return 24"),
        ("    def deep()", "\n\n    # it is five\n    def deep()"),
        ("return n + deep()", "return (n\n        + deep())"),
        ("def unused", "LATER = 4\n    def unused"),
    ],
    ids=["what it does not name", "comments", "layout", "another constant"],
)
def test_another_change_does_not(old, new):
    assert BASE.count(old) == 1
    assert of(BASE) == of(BASE.replace(old, new))


def test_it_is_the_same_in_every_process():
    text = textwrap.dedent(BASE)
    code = f"""
import types
from taskrunner.reuse.fingerprint import fingerprint
found = types.ModuleType("made")
exec({text!r}, vars(found))
print(fingerprint(found.f))
"""
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout.strip()
        for seed in ("1", "2", "3")
    }
    assert found == {of(BASE)}


def closing_over(value):
    return lambda: value


def test_lambdas_of_one_line_are_told_apart():
    first, second = [lambda n: n + 1, lambda n: n + 2]
    assert fingerprint(first) != fingerprint(second)


def test_what_a_function_closes_over_counts():
    values = [1, 1.0, True, "1", b"1", None, (1,), [1], {1}, {1: 1}, 2**100, 10**5000, len, int, ...]
    values += [closing_over(1), closing_over(2)]
    assert len({fingerprint(closing_over(value)) for value in values}) == len(values)
    assert fingerprint(closing_over([1, {"a"}])) == fingerprint(closing_over([1, {"a"}]))


def test_what_a_default_holds_counts():
    first, second = [lambda n=n: n for n in (1, 2)]
    assert fingerprint(first) != fingerprint(second)


def test_a_name_is_looked_up_in_the_function_s_own_module():
    first, second = module("N = 1\ndef f(): return N"), module("N = 2")
    before = fingerprint(first.f)
    second.f = first.f
    assert fingerprint(second.f) == before
    first.N = 3
    assert fingerprint(first.f) != before


def of_other(text, name):
    """Return the fingerprint of a function that names a member of another own module."""
    own = module("def f(): return helper")
    own.helper = vars(module(text, "other"))[name]
    return fingerprint(own.f)


def test_code_of_another_own_module_counts():  # case 7
    assert of_other("def helper(): return 1", "helper") == of_other("def helper():\n    # one\n    return 1", "helper")
    assert of_other("def helper(): return 1", "helper") != of_other("def helper(): return 2", "helper")


def test_class_and_member_of_another_own_module_count():  # case 7
    text = "import enum\nclass Kind(enum.Enum):\n    ONE = {}\n    def f(self): return {}\nONE = Kind.ONE"
    for name in ("Kind", "ONE"):
        found = {of_other(text.format(*numbers), name) for numbers in ((1, 1), (1, 2), (2, 1))}
        assert len(found) == 3
        assert of_other(text.format(1, 1), name) in found


def test_installed_function_counts_by_its_name():
    assert len({of_other(f"from msgspec.json import {name}", name) for name in ("encode", "decode", "encode")}) == 2


def test_a_decorator_of_another_module_hides_nothing():
    def of_decorated(number):
        other = module("def bare(function): return lambda *args: function(*args)", "other")
        own = module(f"def f(): return helper()\ndef helper(): return {number}")
        own.helper = other.bare(own.helper)
        return fingerprint(own.f), fingerprint(other.bare(module(f"def f(): return {number}").f))

    assert all(first != second for first, second in zip(of_decorated(1), of_decorated(2), strict=True))


def test_functions_that_call_each_other_have_an_end():
    text = "def f(n): return g(n - 1) if n else 0\ndef g(n): return f(n - 1) if n else {}"
    assert of(text.format(0)) == of(text.format(0))
    assert of(text.format(0)) != of(text.format(1))
    assert of(text.format(0), "g") != of(text.format(0))


@pytest.mark.parametrize(
    "kind",
    [
        "class f:\n    def __init__(self): self.n = {}",
        "class K:\n    @classmethod\n    def f(cls): return {}\nf = K.f",
        "class K:\n    n = {}\n    @classmethod\n    def f(cls): return cls.n\nf = K.f",
        "import functools\ndef g(n): return n\nf = functools.partial(g, {})",
        "import functools\n@functools.cache\ndef f(): return {}",
        "async def f(): return {}",
        "def f(): yield {}",
    ],
)
def test_whatever_has_code_of_python_can_be_called(kind):
    assert of(kind.format(1)) == of(kind.format(1)) != of(kind.format(2))


class Callable:
    def __call__(self):
        return 1

    def method(self):
        return 1


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (sum, "no Python code"),
        (dict, "no Python code"),
        (itertools.count, "no Python code"),
        (functools.partial(sum, [1]), "no Python code"),
        ([].append, "no Python code"),
        (Callable(), "no Python code"),
        (Callable().method, "belongs to an object"),
        (functools.partial(lambda _: 1, threading.Lock()), "object of type lock"),
        (closing_over(threading.Lock()), "object of type lock"),
        (lambda lock=threading.Lock(): lock, "object of type lock"),  # noqa: B008  it is what is tested
    ],
)
def test_what_cannot_be_told_is_an_error(function, why):
    with pytest.raises(UnknownCodeError, match=why):
        fingerprint(function)


def test_a_logger_of_the_module_is_no_hindrance():
    text = "import logging\nLOG = logging.getLogger('a')\ndef f(): return LOG"
    assert of(text) == of(text)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("threading.Lock()", "lock"),
        ("open(os.devnull)", "TextIOWrapper"),
        ("(part for part in ())", "generator"),
        ("weakref.ref(threading.Thread)", "ReferenceType"),
        ("socket.socket()", "socket"),
        ("contextvars.ContextVar('a')", "ContextVar"),
        ("threading.local()", "_local"),
        ("{'deep': [queue.SimpleQueue()]}", "SimpleQueue"),
    ],
)
def test_value_that_cannot_be_read_is_an_error_with_its_name(value, kind):  # case 6
    text = f"import contextvars, os, queue, socket, threading, weakref\nVALUE = {value}\ndef f(): return VALUE"
    made = module(text)
    with pytest.raises(UnknownCodeError, match=rf"^made.VALUE holds an object of type {kind}, whose content"):
        fingerprint(made.f)
    getattr(made.VALUE, "close", bool)()


@pytest.mark.parametrize(
    "body",
    [
        "importlib.import_module('a')",
        "__import__('a')",
        "sys.modules['a']",
        "modules['a']",
        "f.__globals__['a']",
        "object.__subclasses__()",
    ],
)
def test_code_that_reaches_computed_names_is_an_error(body):  # case 7
    with pytest.raises(UnknownCodeError, match="can reach any code"):
        of(f"import importlib, sys\nfrom sys import modules\ndef f(): return {body}")


def test_cycle_of_values_counts():
    text = "A = [{}]\nA.append(A)\ndef f(): return A"
    assert of(text.format(1)) == of(text.format(1)) != of(text.format(2))


def test_hostile_object_is_an_error():
    class Hostile(types.ModuleType):
        @property
        def __name__(self):
            raise ValueError

    with pytest.raises(UnknownCodeError, match="cannot be read"):
        fingerprint(closing_over(Hostile("x")))
