# ruff: noqa: E501  one file of a project a line
"""After any edit of a project, a cached run gives the results of a fresh run (cases 6 and 7).

Each row of the tables is a small project: modules in which ``20`` becomes ``25``. All projects of a table run in one
process: twice unchanged, once with other comments and layout, then with the edit. Then they run without a cache.
"""

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DRIVER = """
import json, sys
from pathlib import Path
import taskrunner
from taskrunner.events.types import NodeDone, RunWarning

class Observer:
    def __init__(self): self.events = []
    def on_events(self, events): self.events += events
    def close(self): pass

if __name__ == "__main__":
    sys.path.insert(0, ".")
    graph, observer = taskrunner.Graph("rows"), Observer()
    calls = json.loads(sys.argv[1])
    nodes = [{"id": node, "call": call, "cache": True} for node, call in calls.items()]
    outputs = list(calls)
    Path("graph.json").write_text(json.dumps({"taskrunner": 1, "nodes": nodes, "outputs": outputs}))
    graph = taskrunner.load("graph.json")
    result = taskrunner.run(graph, workers=2, cache_dir=sys.argv[2] or None, observers=[observer], stop_after=0)
    cached = [event.node for event in observer.events if isinstance(event, NodeDone) and event.cached]
    warnings = [event.message for event in observer.events if isinstance(event, RunWarning)]
    failures = {failure.node: failure.message for failure in result.failures}
    results = {node: failures[node] if node in failures else result[node] for node in calls}
    print(json.dumps({"results": results, "cached": cached, "warnings": warnings}))
"""

# Data of a module that a function names. The expression has the value VALUE; ``use`` reads it.
DATA = {
    "number": ("20", "VALUE"),
    "float": ("20.0", "VALUE"),
    "string": ("'20'", "VALUE"),
    "bytes": ("b'20'", "VALUE[1]"),
    "bytearray": ("bytearray(b'20')", "VALUE[1]"),
    "memoryview": ("memoryview(b'20')", "VALUE[1]"),
    "complex": ("20j", "VALUE.imag"),
    "list": ("[20]", "VALUE[0]"),
    "tuple": ("(1, (20,))", "VALUE[1][0]"),
    "set": ("{20, 1}", "max(VALUE)"),
    "frozen set": ("frozenset({20})", "max(VALUE)"),
    "dict value": ("{'a': 20}", "VALUE['a']"),
    "dict key": ("{20: 1}", "list(VALUE)[0]"),
    "dict of defaults": ("defaultdict(lambda: 20)", "VALUE.default_factory()"),
    "default dict": ("defaultdict(list, a=20)", "VALUE['a']"),
    "ordered dict": ("OrderedDict(a=20)", "VALUE['a']"),
    "counter": ("Counter({'a': 20})", "VALUE['a']"),
    "deque": ("deque([20])", "VALUE[0]"),
    "length of a deque": ("deque([1], maxlen=20)", "VALUE.maxlen"),
    "chain map": ("ChainMap({}, {'a': 20})", "VALUE['a']"),
    "user dict": ("UserDict(a=20)", "VALUE['a']"),
    "named tuple": ("namedtuple('Rates', 'vat')(vat=20)", "VALUE.vat"),
    "named tuple's default": ("namedtuple('Rates', 'vat', defaults=[20])", "VALUE().vat"),
    "simple namespace": ("SimpleNamespace(vat=20)", "VALUE.vat"),
    "mapping proxy": ("MappingProxyType({'vat': 20})", "VALUE['vat']"),
    "range": ("range(20)", "len(VALUE)"),
    "slice": ("slice(20)", "VALUE.stop"),
    "pattern": ("re.compile('20')", "VALUE.pattern"),
    "pattern's method": ("re.compile('20').match", "VALUE('2' + '0') is None"),
    "path": ("Path('20')", "str(VALUE)"),
    "date": ("dt.date(2020, 1, 20)", "VALUE.day"),
    "zone": ("dt.datetime(2020, 1, 1, tzinfo=dt.timezone(dt.timedelta(minutes=20)))", "VALUE.utcoffset().seconds"),
    "time delta": ("dt.timedelta(20)", "VALUE.days"),
    "decimal": ("decimal.Decimal('20')", "int(VALUE)"),
    "fraction": ("fractions.Fraction(1, 20)", "VALUE.denominator"),
    "uuid": ("uuid.UUID(int=20)", "VALUE.int"),
    "random generator": ("random.Random(20)", "VALUE.getstate()[1][5]"),
    "string buffer": ("io.StringIO('20')", "VALUE.getvalue()"),
    "array": ("array.array('i', [20])", "VALUE[0]"),
    "item getter": ("operator.itemgetter(20)", "VALUE(range(50))"),
    "iterator": ("iter([20])", "list(copy.copy(VALUE))[0]"),
    "NumPy array": ("numpy.array([1, 20])", "int(VALUE[1])"),
    "NumPy scalar": ("numpy.float64(20)", "float(VALUE)"),
    "NumPy structured array": ("numpy.array([(1, 20)], dtype='i4,i4')", "int(VALUE[0][1])"),
    "NumPy object array": ("numpy.array([[20], None], dtype=object)", "VALUE[0][0]"),
    "NumPy generator": ("numpy.random.default_rng(20)", "int(VALUE.bit_generator.state['state']['state'] % 997)"),
    "NumPy dtype": ("numpy.dtype('S20')", "VALUE.itemsize"),
    "dataclass": ("Data(20)", "VALUE.number"),
    "hidden field of a dataclass": ("Data(1, 20)", "VALUE.hidden"),
    "frozen dataclass with slots": ("Frozen(20)", "VALUE.number"),
    "Struct": ("Struct(20)", "VALUE.number"),
    "slots": ("Slotted(20)", "VALUE.number"),
    "inherited slots": ("MoreSlots(20)", "VALUE.number"),
    "slots and attributes": ("SlotsAndDict(20)", "VALUE.extra"),
    "attributes": ("Plain(20)", "VALUE.number"),
    "object without equality": ("Opaque(20)", "VALUE.number"),
    "own list": ("List([20])", "VALUE[0]"),
    "own list's attribute": ("List.of(20)", "VALUE.extra"),
    "own dict": ("Dict(a=20)", "dict.__getitem__(VALUE, 'a')"),
    "own integer": ("Integer(20)", "int(VALUE)"),
    "own default dict": ("Default(int, a=20)", "VALUE['a']"),
    "own exception": ("Failure(20)", "VALUE.args[0]"),
    "enum member": ("Enum('Rate', {'VAT': 20}).VAT", "VALUE.value"),
    "enum class": ("Enum('Rate', {'VAT': 20})", "VALUE.VAT.value"),
    "attribute of an enum member": ("Planet.EARTH", "VALUE.mass"),
    "flag": ("IntFlag('Flag', {'A': 20})", "int(VALUE.A)"),
    "lambda": ("lambda: 20", "VALUE()"),
    "closure": ("close_over(20)", "VALUE()"),
    "closure in a dict": ("{'f': close_over([20])}", "VALUE['f']()[0]"),
    "partial": ("functools.partial(max, 20)", "VALUE(1)"),
    "keyword of a partial": ("functools.partial(dict, a=20)", "VALUE()['a']"),
    "bound method": ("Plain(20).get", "VALUE()"),
    "builtin method": ("[20].index", "VALUE.__self__[0]"),
    "method of a string": ("'20'.upper", "VALUE()"),
    "lru cache": ("functools.lru_cache(lambda: 20)", "VALUE()"),
    "size of an lru cache": ("functools.lru_cache(20)(len)", "VALUE.cache_parameters()['maxsize']"),
    "cycle": ("cycle(20)", "VALUE[0]"),
    "cycle of objects": ("object_cycle(20)", "VALUE.other.other.other.number"),
    "deep in a container": ("[{'a': ({1: [Slotted({20})]},)}]", "max(VALUE[0]['a'][0][1][0].number)"),
    "weak dict's name": ("Plain(Plain(20))", "VALUE.number.number"),
    "type alias": ("dict[str, Literal[20]]", "VALUE.__args__[1].__args__[0]"),
    "context manager": ("contextlib.nullcontext(20)", "VALUE.enter_result"),
    "template": ("string.Template('20')", "VALUE.template"),
    "decoder": ("msgspec.json.Decoder(Literal[20])", "VALUE.type.__args__[0]"),
    "encoder": ("msgspec.json.Encoder(enc_hook=close_over(20))", "VALUE.enc_hook()"),
    "struct format": ("__import__('struct').Struct('20s')", "VALUE.size"),
    "constraint": ("msgspec.Meta(ge=20)", "VALUE.ge"),
    "new type": ("NewType('T', Literal[20])", "VALUE.__supertype__.__args__[0]"),
}
TYPES = """
import array, contextlib, copy, datetime as dt, decimal, fractions, functools, io, operator, random, re, string, uuid
from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from enum import Enum, IntFlag
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Literal, NewType
import msgspec
try:
    import numpy
except ImportError:
    pass

@dataclass
class Data:
    number: int
    hidden: int = field(default=0, compare=False, repr=False)

@dataclass(frozen=True, slots=True)
class Frozen:
    number: int

class Struct(msgspec.Struct):
    number: int
    more: list[int] = msgspec.field(default_factory=list)

class Slotted:
    __slots__ = ("number",)
    def __init__(self, number): self.number = number

class MoreSlots(Slotted):
    __slots__ = ("more",)

class SlotsAndDict(Slotted):
    def __init__(self, number): self.extra = number

class Plain:
    def __init__(self, number): self.number = number
    def get(self): return self.number

class Opaque(Plain):
    __slots__ = ()
    def __eq__(self, other): return True
    def __hash__(self): return 1
    def __repr__(self): return "opaque"
    def __reduce__(self): return Opaque, (1,)
    def __getstate__(self): return {}

class List(list):
    def __iter__(self): return iter(())
    @classmethod
    def of(cls, extra):
        made = cls()
        made.extra = extra
        return made

class Dict(dict):
    def items(self): return ()
class Integer(int): pass
class Default(defaultdict): pass
class Failure(Exception): pass

class Planet(Enum):
    EARTH = 1
    def __init__(self, number): self.mass = 20

def close_over(value):
    return lambda: value

def cycle(value):
    made = [value]
    made.append(made)
    return made

def object_cycle(value):
    first, second = Plain(value), Plain(1)
    first.other, second.other = second, first
    return second
"""

STEPS = "steps.py"
HELPERS = "helpers.py"
# Code and data that a function reaches in other ways: the files of the project.
CODE = {
    "helper of another module": {STEPS: "import helpers\ndef f(): return helpers.g()", HELPERS: "def g(): return 20"},
    "name of another module": {STEPS: "from helpers import g as h\ndef f(): return h()", HELPERS: "def g(): return 20"},
    "helper's helper": {
        STEPS: "import helpers\ndef f(): return helpers.g()",
        HELPERS: "import more\ndef g(): return more.h()",
        "more.py": "def h(): return 20",
    },
    "helper's data": {STEPS: "from helpers import g\ndef f(): return g()", HELPERS: "RATE = 20\ndef g(): return RATE"},
    "data of another module": {STEPS: "import helpers\ndef f(): return helpers.RATE", HELPERS: "RATE = 20"},
    "module under another name": {STEPS: "import helpers as h\ndef f(): return h.RATE", HELPERS: "RATE = 20"},
    "module in a local variable": {
        STEPS: "import helpers\ndef f():\n    h = helpers\n    return h.RATE", HELPERS: "RATE = 20",
    },
    "module as an argument": {
        STEPS: "import helpers\ndef g(m): return m.RATE\ndef f(): return g(helpers)", HELPERS: "RATE = 20",
    },
    "module in a container": {
        STEPS: "import helpers\nMODULES = [helpers]\ndef f(): return MODULES[0].RATE", HELPERS: "RATE = 20",
    },
    "attribute by its name": {STEPS: "import helpers\ndef f(): return getattr(helpers, 'RA' + 'TE')", HELPERS: "RATE = 20"},
    "variables of a module": {STEPS: "import helpers\ndef f(): return vars(helpers)['RATE']", HELPERS: "RATE = 20"},
    "dict of a module": {STEPS: "import helpers\ndef f(): return helpers.__dict__['RATE']", HELPERS: "RATE = 20"},
    "globals": {STEPS: "RATE = 20\ndef f(): return globals()['RA' + 'TE']"},
    "globals of the builtins": {STEPS: "import builtins\nRATE = 20\ndef f(): return builtins.globals()['RA' + 'TE']"},
    "function set in an installed module": {STEPS: "import math, helpers\nmath.rate_of_row = helpers.g\ndef f(): return math.rate_of_row()", HELPERS: "def g(): return 20"},
    "number set in an installed module": {STEPS: "import math\nmath.rate_of_row = 20\ndef f(): return math.rate_of_row"},
    "installed module imported in the function": {STEPS: "def f():\n    import colorsys, json, numpy.linalg\n    return json.loads('20')"},
    "protocol": {
        STEPS: "from helpers import P, Box\ndef f(n: Box[int] = None): return isinstance(Box(), P) and P.rate",
        HELPERS: "from typing import Annotated, Any, Callable, ClassVar, Generic, Protocol, Self, TypeVar, runtime_checkable\nT = TypeVar('T')\n@runtime_checkable\nclass P(Protocol):\n    rate: ClassVar[int] = 20\n    def g(self, n: Annotated[int, 'x'], c: Callable[[T], Any] | None) -> Self: ...\nclass Box(Generic[T]):\n    rate = 1\n    def g(self, n, c): return self\nclass New[U]:\n    def g[V](self, n: U, m: V) -> list[V] | None: ...",
    },
    "chosen module": {
        STEPS: "import helpers, os\ndef f(): return (os if not os.name else helpers).RATE", HELPERS: "RATE = 20",
    },
    "package": {
        STEPS: "import pkg.sub.mod\ndef f(): return pkg.sub.mod.g()",
        "pkg/__init__.py": "", "pkg/sub/__init__.py": "", "pkg/sub/mod.py": "def g(): return 20",
    },
    "relative import": {
        STEPS: "from pkg.one import f",
        "pkg/__init__.py": "",
        "pkg/one.py": "from .two import RATE\nfrom . import two\ndef f(): return RATE + two.RATE",
        "pkg/two.py": "RATE = 20",
    },
    "package's own names": {
        STEPS: "import pkg\ndef f(): return pkg.RATE",
        "pkg/__init__.py": "from .one import *", "pkg/one.py": "RATE = 20",
    },
    "namespace package": {STEPS: "from pkg import one\ndef f(): return one.RATE", "pkg/one.py": "RATE = 20"},
    "star import": {STEPS: "from helpers import *\ndef f(): return g()", HELPERS: "RATE = 20\ndef g(): return RATE"},
    "import in the function": {STEPS: "def f():\n    import helpers\n    return helpers.RATE", HELPERS: "RATE = 20"},
    "name imported in the function": {STEPS: "def f():\n    from helpers import g\n    return g()", HELPERS: "def g(): return 20"},
    "imported module imported in the function": {
        STEPS: "import helpers\ndef f():\n    from helpers import RATE\n    return RATE", HELPERS: "RATE = 20",
    },
    "import in an imported function": {
        STEPS: "import helpers\ndef f(): return helpers.g()",
        HELPERS: "def g():\n    import more\n    return more.RATE",
        "more.py": "RATE = 20",
    },
    "import by a module that the function imports": {
        STEPS: "def f():\n    import helpers\n    return helpers.g()",
        HELPERS: "from more import RATE\ndef g(): return RATE",
        "more.py": "RATE = 20",
    },
    "submodule that the function imports": {
        STEPS: "def f():\n    from pkg import one\n    return one.RATE",
        "pkg/__init__.py": "", "pkg/one.py": "RATE = 20",
    },
    "package of a module that the function imports": {
        STEPS: "def f():\n    import pkg.one\n    return pkg.RATE",
        "pkg/__init__.py": "RATE = 20", "pkg/one.py": "",
    },
    "relative import in the function": {
        STEPS: "from pkg.one import f",
        "pkg/__init__.py": "", "pkg/one.py": "def f():\n    from . import two\n    return two.RATE", "pkg/two.py": "RATE = 20",
    },
    "import in a nested function": {
        STEPS: "def f():\n    def g():\n        from helpers import RATE\n        return RATE\n    return g()", HELPERS: "RATE = 20",
    },
    "conditional import": {
        STEPS: "try:\n    from helpers import RATE\nexcept ImportError:\n    RATE = 1\ndef f(): return RATE", HELPERS: "RATE = 20",
    },
    "computed attribute of a module": {
        STEPS: "import helpers\ndef f(): return helpers.RATE", HELPERS: "def __getattr__(name): return 20",
    },
    "computed name imported": {
        STEPS: "def f():\n    from helpers import RATE\n    return RATE", HELPERS: "def __getattr__(name): return 20",
    },
    "comprehension": {STEPS: "RATE = 20\ndef f(): return [RATE for _ in range(1)]"},
    "nested function": {STEPS: "RATE = 20\ndef f():\n    def g(): return [lambda: RATE][0]()\n    return g()"},
    "class in the function": {STEPS: "RATE = 20\ndef f():\n    class K:\n        rate = RATE\n    return K.rate"},
    "method of a class in the function": {STEPS: "def f():\n    class K:\n        def g(self): return 20\n    return K().g()"},
    "default": {STEPS: "def f(n=20): return n"},
    "default of a keyword": {STEPS: "def f(*, n=[20]): return n[0]"},
    "default of a helper": {STEPS: "from helpers import g\ndef f(): return g()", HELPERS: "def g(n=20): return n"},
    "attribute of the function": {STEPS: "def f(): return f.rate\nf.rate = 20"},
    "attribute of a helper": {STEPS: "from helpers import g\ndef f(): return g.rate", HELPERS: "def g(): pass\ng.rate = 20"},
    "annotation": {STEPS: "from typing import Literal\ndef g(n: Literal[20]): pass\ndef f(): return g.__annotations__['n'].__args__[0]"},
    "docstring": {STEPS: "def f():\n    '''20'''\n    return f.__doc__"},
    "docstring of a class": {STEPS: "class K:\n    '''20'''\ndef f(): return K.__doc__"},
    "class attribute": {STEPS: "class K:\n    rate = 20\ndef f(): return K.rate"},
    "class attribute of another module": {STEPS: "from helpers import K\ndef f(): return K().rate", HELPERS: "class K:\n    rate = [20][0]"},
    "method": {STEPS: "from helpers import K\ndef f(): return K().g()", HELPERS: "class K:\n    def g(self): return 20"},
    "property": {STEPS: "from helpers import K\ndef f(): return K().g", HELPERS: "class K:\n    @property\n    def g(self): return 20"},
    "static method": {STEPS: "from helpers import K\ndef f(): return K.g()", HELPERS: "class K:\n    @staticmethod\n    def g(): return 20"},
    "class method": {STEPS: "from helpers import K\ndef f(): return K.g()", HELPERS: "class K:\n    @classmethod\n    def g(cls): return 20"},
    "cached property": {
        STEPS: "from helpers import K\ndef f(): return K().g",
        HELPERS: "import functools\nclass K:\n    @functools.cached_property\n    def g(self): return 20",
    },
    "base class of another module": {
        STEPS: "from helpers import Base\nclass K(Base): pass\ndef f(): return K().g()", HELPERS: "class Base:\n    def g(self): return 20",
    },
    "metaclass": {
        STEPS: "from helpers import Meta\nclass K(metaclass=Meta): pass\ndef f(): return K.g()",
        HELPERS: "class Meta(type):\n    def g(cls): return 20",
    },
    "class made by a call": {STEPS: "K = type('K', (), {'g': lambda self: 20})\ndef f(): return K().g()"},
    "descriptor": {
        STEPS: "from helpers import D\nclass K:\n    g = D()\ndef f(): return K().g",
        HELPERS: "class D:\n    def __get__(self, *_): return 20",
    },
    "hook of subclasses": {
        STEPS: "from helpers import Base\nclass K(Base): pass\ndef f(): return K.rate",
        HELPERS: "class Base:\n    def __init_subclass__(cls): cls.rate = 20",
    },
    "virtual subclass": {
        STEPS: "import abc\nclass A(abc.ABC): pass\nclass B: pass\nA.register(B) if 20 == 25 else None\ndef f(): return isinstance(B(), A)",
    },
    "abstract class": {
        STEPS: "import abc\nclass A(abc.ABC):\n    @abc.abstractmethod\n    def g(self): return 20\nclass B(A):\n    def g(self): return super().g()\ndef f(): return B().g()",
    },
    "type of an instance": {STEPS: "from helpers import IT\ndef f(): return IT.g()", HELPERS: "class K:\n    def g(self): return 20\nIT = K()"},
    "default of a field": {
        STEPS: "from helpers import D\ndef f(): return D().n",
        HELPERS: "from dataclasses import dataclass\n@dataclass\nclass D:\n    n: int = 20",
    },
    "factory of a field": {
        STEPS: "from helpers import D\ndef f(): return D().n[0]",
        HELPERS: "from dataclasses import dataclass, field\n@dataclass\nclass D:\n    n: list = field(default_factory=lambda: [20])",
    },
    "default of a Struct": {
        STEPS: "from helpers import D\ndef f(): return D().n", HELPERS: "import msgspec\nclass D(msgspec.Struct):\n    n: int = 20",
    },
    "factory of a Struct": {
        STEPS: "from helpers import D\ndef f(): return D().n[0]",
        HELPERS: "import msgspec\ndef made(): return [20]\nclass D(msgspec.Struct):\n    n: list = msgspec.field(default_factory=made)",
    },
    "tag of a Struct": {
        STEPS: "import msgspec\nfrom helpers import D\ndef f(): return msgspec.json.encode(D()).decode()",
        HELPERS: "import msgspec\nclass D(msgspec.Struct, tag='20'):\n    pass",
    },
    "typed named tuple": {
        STEPS: "from helpers import R\ndef f(): return R().vat",
        HELPERS: "from typing import NamedTuple\nclass R(NamedTuple):\n    vat: int = 20",
    },
    "typed dict": {
        STEPS: "import msgspec\nfrom helpers import T\ndef f():\n    try:\n        return msgspec.convert({'a': 20}, T)\n    except msgspec.ValidationError:\n        return 1",
        HELPERS: "from typing import Literal, TypedDict\nclass T(TypedDict):\n    a: Literal[20]",
    },
    "type alias statement": {
        STEPS: "from helpers import T\ndef f(): return T.__value__.__args__[0]",
        HELPERS: "from typing import Literal\ntype T = Literal[20]",
    },
    "enum of another module": {
        STEPS: "from helpers import E\ndef f(): return E.A.g()",
        HELPERS: "import enum\nclass E(enum.Enum):\n    A = 1\n    def g(self): return 20",
    },
    "function of an enum member": {STEPS: "from helpers import A\ndef f(): return A.value", HELPERS: "import enum\nclass E(enum.Enum):\n    A = 20\nA = E.A"},
    "decorator": {
        STEPS: "from helpers import add\n@add\ndef f(): return 1",
        HELPERS: "import functools\ndef add(g):\n    @functools.wraps(g)\n    def inner(): return g() + 20\n    return inner",
    },
    "decorated function": {
        STEPS: "from helpers import same, g\ndef f(): return g()",
        HELPERS: "import functools\ndef same(g):\n    @functools.wraps(g)\n    def inner(): return g()\n    return inner\n@same\ndef g(): return 20",
    },
    "decorator with an argument": {
        STEPS: "from helpers import add\n@add(20)\ndef g(): return 1\ndef f(): return g()",
        HELPERS: "def add(n):\n    def around(g):\n        return lambda: g() + n\n    return around",
    },
    "decorating class": {
        STEPS: "from helpers import Add\n@Add\ndef g(): return 20\ndef f(): return g()",
        HELPERS: "class Add:\n    def __init__(self, g): self.g = g\n    def __call__(self): return self.g()",
    },
    "context manager": {
        STEPS: "from helpers import m\ndef f():\n    with m() as n:\n        return n",
        HELPERS: "import contextlib\n@contextlib.contextmanager\ndef m(): yield 20",
    },
    "singledispatch": {
        STEPS: "from helpers import g\ndef f(): return g(1)",
        HELPERS: "import functools\n@functools.singledispatch\ndef g(n): return 0\n@g.register\ndef _(n: int): return 20",
    },
    "singledispatch method": {
        STEPS: "from helpers import K\ndef f(): return K().g(1)",
        HELPERS: "import functools\nclass K:\n    @functools.singledispatchmethod\n    def g(self, n): return 0\n    @g.register\n    def _(self, n: int): return 20",
    },
    "registry": {
        STEPS: "from helpers import ALL\ndef f(): return ALL['g']()",
        HELPERS: "ALL = {}\ndef register(g):\n    ALL[g.__name__] = g\n    return g\n@register\ndef g(): return 20",
    },
    "registry of another module": {
        STEPS: "from helpers import ALL\nimport more\ndef f(): return ALL[0]()",
        HELPERS: "ALL = []", "more.py": "import helpers\n@helpers.ALL.append\ndef g(): return 20",
    },
    "registry in a set": {STEPS: "from helpers import ALL\ndef f(): return sum(g() for g in ALL)", HELPERS: "def g(): return 20\ndef h(): return 1\nALL = {g, h}"},
    "data that the module computes": {STEPS: "from helpers import RATE\ndef f(): return RATE", HELPERS: "def g(): return 20\nRATE = g() + 1"},
    "data that the module reads": {
        STEPS: "from helpers import RATE\ndef f(): return RATE",
        HELPERS: "from pathlib import Path\nRATE = Path(__file__).with_name('rate.txt').read_text()", "rate.txt": "20",
    },
    "recursion": {STEPS: "def f(n=3): return g(n - 1) if n else 1\ndef g(n): return f(n - 1) if n else 20"},
    "modules that import each other": {
        STEPS: "import helpers\ndef f(): return helpers.g()\ndef h(): return 20", HELPERS: "import steps\ndef g(): return steps.h()",
    },
    "shadowed builtin": {STEPS: "from helpers import *\ndef f(): return sum([1])", HELPERS: "def sum(parts): return 20"},
    "changed builtin": {STEPS: "import builtins, helpers\nbuiltins.rate_of_row = helpers.g\ndef f(): return rate_of_row()", HELPERS: "def g(): return 20"},
    "generator function": {STEPS: "from helpers import g\ndef f(): return list(g())[0]", HELPERS: "def g(): yield 20"},
    "coroutine": {STEPS: "from helpers import g\nasync def f(): return await g()", HELPERS: "async def g(): return 20"},
    "class as the function": {STEPS: "from helpers import g\nclass f(int):\n    def __new__(cls): return g()", HELPERS: "def g(): return 20"},
    "partial as the function": {STEPS: "import functools\nfrom helpers import g\nf = functools.partial(g, 20)", HELPERS: "def g(n): return n"},
    "module with a class of its own": {
        STEPS: "import helpers\ndef f(): return helpers.RATE",
        HELPERS: "import sys, types\nclass M(types.ModuleType):\n    @property\n    def RATE(self): return 20\nsys.modules[__name__].__class__ = M",
    },
    "module that replaces itself": {
        STEPS: "import helpers\ndef f(): return helpers.rate",
        HELPERS: "import sys\nclass M:\n    rate = 20\nsys.modules[__name__] = M()",
    },
}  # fmt: skip
# Values and code that cannot be read: the run names them, and they run every time.
UNREADABLE = {
    "lock": ("import threading\nVALUE = threading.Lock(), 20\ndef f(): return VALUE[1]", "steps.VALUE"),
    "file": ("VALUE = open(__file__), 20\ndef f(): return VALUE[1]", "steps.VALUE"),
    "generator": ("VALUE = (n for n in [20])\ndef f(): return next(VALUE)", "steps.VALUE"),
    "weak reference": ("import weakref\nclass K:\n    n = 20\nVALUE = weakref.ref(K)\ndef f(): return VALUE().n", "steps.VALUE"),
    "weak dict": ("import weakref\nclass K:\n    n = 20\nVALUE = weakref.WeakValueDictionary(a=K)\ndef f(): return VALUE['a'].n", "steps.VALUE"),
    "object with a lock": ("import threading\nclass K:\n    def __init__(self): self.lock, self.n = threading.Lock(), 20\nVALUE = K()\ndef f(): return VALUE.n", "steps.VALUE"),
    "context variable": ("import contextvars\nVALUE = contextvars.ContextVar('v', default=20)\ndef f(): return VALUE.get()", "steps.VALUE"),
    "subclasses": ("class A: pass\nclass B(A):\n    n = 20\ndef f(): return A.__subclasses__()[0].n", "steps:f"),
    "computed import": ("import importlib, helpers\ndef f(): return importlib.import_module('helpers').n", "steps:f"),
    "eval": ("RATE = 20\ndef f(): return eval('RA' + 'TE')", "steps uses eval"),
    "exec of the builtins": ("import builtins as b\ndef f():\n    n = {}\n    b.exec('r = 20', n)\n    return n['r']", "steps uses exec"),
    "loaded modules": ("import sys, helpers\ndef f(): return sys.modules['helpers'].n", "steps:f"),
    "state that the call changes": ("VALUE = []\ndef f():\n    VALUE.append(20)\n    return VALUE[-1]", "steps.VALUE"),
}  # fmt: skip


def data_rows():
    for name, (value, use) in DATA.items():
        if "numpy" in value:
            pytest.importorskip("numpy")
        yield name, {STEPS: f"{TYPES}\nVALUE = {value}\ndef f(): return {use}"}
        yield (
            f"{name} of another module",
            {
                STEPS: "import helpers\ndef f(): return helpers.g()",
                HELPERS: f"{TYPES}\nVALUE = {value}\ndef g(): return {use}",
            },
        )


class Projects:
    """The projects of a table in one directory. Each module has the number of its row in its name."""

    def __init__(self, folder, rows):
        self.folder, self.rows = folder, rows
        (folder / "driver.py").write_text(DRIVER)

    def write(self, change=lambda text: text):
        for number, files in enumerate(self.rows.values()):
            for name, text in files.items():
                path = self.folder / self.numbered(name, number)
                path.parent.mkdir(exist_ok=True, parents=True)
                path.write_text(self.numbered(change(text), number))

    @staticmethod
    def numbered(text, number):
        return re.sub(r"\b(steps|helpers|more|pkg|rate\.txt|rate_of_row)\b", rf"\1_r{number}", text)

    def run(self, cache="cache"):
        """Return the results, the cached rows and the warnings of a run in a new process."""
        calls = {str(number): self.numbered("steps:f", number) for number in range(len(self.rows))}
        ended = subprocess.run(
            [sys.executable, "-B", "driver.py", json.dumps(calls), cache],
            cwd=self.folder, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout.splitlines()[-1])


def reformat(text):
    """Move code to other lines and add comments; text files stay."""
    lines = text.splitlines()
    return (
        text
        if lines == ["20"]
        else "# a comment\n\n\n" + "\n".join(f"{line}  # 21" if line.endswith("20") else line for line in lines) + "\n"
    )


def edit(text):
    return text.replace("20", "25")


@pytest.fixture(scope="module", params=["data", "code"])
def table(request, tmp_path_factory):
    rows = dict(data_rows()) if request.param == "data" else CODE
    projects = Projects(tmp_path_factory.mktemp(request.param), rows)
    runs = []
    for change in (str, str, reformat, edit):
        projects.write(change)
        runs.append(projects.run())
    return rows, runs, projects.run(cache="")


def rows_of(table, numbers):
    return [list(table)[int(number)] for number in sorted(numbers, key=int)]


def test_unchanged_projects_are_reused(table):
    rows, (first, second, *_), _ = table
    assert (first["warnings"], second["warnings"], first["cached"]) == ([], [], [])
    assert rows_of(rows, first["results"].keys() - set(second["cached"])) == []
    assert first["results"] == second["results"]


def test_comments_and_layout_do_not_count(table):
    rows, (_, _, third, _), _ = table
    assert rows_of(rows, third["results"].keys() - set(third["cached"])) == []


def test_edited_projects_give_the_results_of_a_fresh_run(table):  # cases 6 and 7
    rows, (first, *_, last), fresh = table
    assert rows_of(rows, [n for n, value in last["results"].items() if value != fresh["results"][n]]) == []
    assert rows_of(rows, [n for n, value in first["results"].items() if value == fresh["results"][n]]) == []


class Writer:
    """Random projects: modules that name each other's functions and data in many ways; one number of them is 20."""

    VALUES = (
        "[{}]", "({}, 1)", "{{'k': {}}}", "OrderedDict(k={})", "Counter(k={})", "defaultdict(int, k={})", "deque([{}])",
        "SimpleNamespace(k={})", "namedtuple('N', 'k')({})", "Slotted({})", "Plain({})", "Data({})", "Struct({})",
        "close_over({})", "functools.partial(max, {})", "cycle({})", "Enum('E', {{'K': {}}})", "frozenset([{}])",
    )  # fmt: skip

    def __init__(self, seed):
        self.random = random.Random(seed)  # noqa: S311
        self.count = self.random.randint(4, 14)
        self.changed = self.random.randrange(self.count)
        self.owners = [self.random.choice(("steps", "helpers", "more")) for _ in range(self.count)]

    def files(self):
        """Return the modules; member n names only members with smaller numbers, of any module."""
        lines = {name: ["import functools", "from types_of_rows import *"] for name in ("steps", "helpers", "more")}
        for number, owner in enumerate(self.owners):
            lines[owner] += self.member(number, owner)
        uses = " + ".join(self.use(self.random.randrange(self.count), "steps") for _ in range(3))
        lines["steps"] += [*self.imports("steps"), f"def f(): return {uses}"]
        return {f"{name}.py": "\n".join(text) + "\n" for name, text in lines.items()}

    def imports(self, owner):
        return [f"import {name}" for name in ("steps", "helpers", "more") if name != owner]

    def member(self, number, owner):
        leaf = 20 if number == self.changed else 100 + number
        body = " + ".join([str(leaf), *[self.use(self.random.randrange(number), owner) for _ in range(2) if number]])
        kind = self.random.randrange(5)
        if kind == 0 or number == 0:
            value = self.random.choice(self.VALUES).format(leaf)
            return [f"V{number} = {value}", f"def m{number}(): return probe(V{number})"]
        if kind == 1:
            method = [f"class K{number}:", f"    rate = {leaf}", f"    def m(self): return self.rate + {body}"]
            return [*self.imports(owner), *method, f"def m{number}(): return K{number}().m()"]
        if kind == 2:
            inner = [f"def m{number}():", f"    def inner(n={leaf}): return n + {body}", "    return inner()"]
            return [*self.imports(owner), *inner]
        if kind == 3:
            return [
                *self.imports(owner),
                f"@functools.lru_cache\ndef m{number}(): return sum([{body} for _ in range(2)])",
            ]
        local = [f"    {line}" for line in self.imports(owner)]
        return [f"def m{number}():", *local, f"    return {body}"]

    def use(self, number, owner):
        target = self.owners[number]
        if target == owner:
            return f"m{number}()"
        ways = ("{t}.m{n}()", "getattr({t}, 'm{n}')()", "vars({t})['m{n}']()", "[{t}][0].m{n}()")
        return self.random.choice(ways).format(t=target, n=number)


PROBE = """
def probe(value):
    \"""Return a number in a value of any of the types.\"""
    if callable(value) and not isinstance(value, type):
        return value(0) if isinstance(value, functools.partial) else value()
    if isinstance(value, type):
        return value.K.value
    for name in ("k", "number"):
        if hasattr(value, name):
            return getattr(value, name)
    if isinstance(value, dict):
        return value["k"]
    return next(part for part in value if part != 1)
"""


@pytest.mark.parametrize("seed", [0, *[pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6)]])
def test_random_projects_give_the_results_of_a_fresh_run_after_an_edit(tmp_path, seed):
    projects = Projects(tmp_path, {number: Writer(f"{seed}.{number}").files() for number in range(40)})
    (tmp_path / "types_of_rows.py").write_text(TYPES + PROBE)
    runs = []
    for change in (str, reformat, edit):
        projects.write(change)
        runs.append(projects.run())
    first, again, last = runs
    fresh = projects.run(cache="")
    assert first["warnings"] == again["warnings"] == last["warnings"] == []
    assert sorted(again["cached"]) == sorted(first["results"])
    assert last["results"] == fresh["results"]
    assert {n for n in fresh["results"] if fresh["results"][n] != first["results"][n]}


def test_unreadable_projects_run_every_time_and_are_named(tmp_path):  # cases 6 and 7
    rows = {name: {STEPS: text, HELPERS: "n = 20"} for name, (text, _) in UNREADABLE.items()}
    projects = Projects(tmp_path, rows)
    for change in (str, edit):
        projects.write(change)
        ended = projects.run()
        assert ended["cached"] == []
        assert set(ended["results"].values()) == {20 if change is str else 25}
        for number, (name, (_, subject)) in enumerate(UNREADABLE.items()):
            call = Projects.numbered("steps:f", number)
            (told,) = [message for message in ended["warnings"] if f"({call})" in message]
            assert (name, Projects.numbered(subject, number) in told.partition("not cached: ")[2]) == (name, True)
