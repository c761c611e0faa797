"""Object table: the stored form of values with objects of named types, shared objects, cycles, or many levels.

The table has a record for each object. An object that occurs twice has one record, so that it comes back shared. The
parts of an object precede it, except in a cycle. Neither writing nor reading is recursive, so the depth has no limit.
A table is a MessagePack list:

    layouts   [shape of a named type, names of the attributes of an object]; see ``type_forms``
    records   [layout, content], or [layout, content, slots and values of attributes]
    root      the value

A layout is an index into the built-in types, followed by the layouts. The root and each part of an object is an atom,
an extension, or a reference to an object: a list of one record number.
"""

import cmath
import decimal
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec.msgpack import Ext

from taskrunner.storage.extensions import ATOMS, FROZENSET, TUPLE, SerializationError, decode, encode_extension
from taskrunner.storage.type_forms import EXACT_TYPES, TypeForm, form_of, form_of_shape

# Returns the items of a set in the order to store them.
type SortItems = Callable[[list[Any]], list[Any]]
# The form of a type, and the names of the attributes of an object.
type Layout = tuple[TypeForm, Sequence[str]]

_EXACT_LAYOUTS: list[Layout] = [(form_of(kind), ()) for kind in EXACT_TYPES]
_EXACT_NUMBERS: dict[Any, int] = {kind: number for number, kind in enumerate(EXACT_TYPES)}
# Immutable containers. Without an object inside, their identity has no meaning: they are stored as extensions.
_IMMUTABLE: dict[type, int] = {tuple: TUPLE, frozenset: FROZENSET}
_MISSING: Any = object()
# From this number of parts on, one check of all types is faster than one for each part.
MIN_BULK_PARTS = 8
_encode = msgspec.msgpack.Encoder().encode


class ObjectTable:
    """Table of the objects in a value.

    - ``native``: the atoms that are passed to MessagePack unchanged.
    - ``objects``: the object of each record.
    - ``is_tree``: no object occurs twice.
    - ``is_checked``: objects of all types came back equal before.

    Raises:
        SerializationError: an object cannot be stored.

    """

    def __init__(self, root: Any, native: frozenset[type], sort: SortItems) -> None:
        self.objects: list[Any] = []
        self.is_tree = self.is_checked = True
        self._native = native
        self._sort = sort
        self._records: list[list[Any]] = []
        self._layouts: dict[tuple[Any, ...], int] = {}
        # The references by the id of the object. Attribute dictionaries have None: no other part may refer to them.
        self._references: dict[int, list[int] | None] = {}
        self._pending: list[Any] = []
        self._root = self._parts([root])[0]
        self._add_records()

    def encode(self) -> bytes:
        """Return the table as bytes.

        Raises:
            SerializationError: a type cannot be found by its name.
            OverflowError, UnicodeEncodeError: MessagePack cannot express an atom.

        """
        layouts = [[form_of(kind).shape(), names] for kind, *names in self._layouts]
        return _encode([layouts, self._records, self._root])

    def forms(self) -> set[TypeForm]:
        """Return the forms of the named types."""
        return {form_of(kind) for kind, *_ in self._layouts}

    def is_leaf(self, value: Any) -> bool:
        """Return whether an object has no other object as a part."""
        return all(id(part) not in self._references for part in _all_parts(value))

    def atoms(self) -> Iterator[Any]:
        """Yield the parts of all objects, and the parts of immutable containers among them."""
        for part in itertools.chain.from_iterable(map(_all_parts, self.objects)):
            yield from part if type(part) in _IMMUTABLE else (part,)

    def _add_records(self) -> None:
        """Add a record for each pending object, after the records of its parts."""
        visited: set[int] = set()
        pending = self._pending
        while pending:
            value = pending.pop()
            if type(value) is _OpenRecord:
                self._add(value.value, value.record)
            elif id(value) not in visited:
                visited.add(id(value))
                position = len(pending)
                record = self._record(value)
                if len(pending) == position:
                    self._add(value, record)
                else:  # below its parts, which are added first
                    pending.insert(position, _OpenRecord(value, record))

    def _add(self, value: Any, record: list[Any]) -> None:
        reference: Any = self._references[id(value)]
        reference.append(len(self._records))
        self._records.append(record)
        self.objects.append(value)

    def _record(self, value: Any) -> list[Any]:
        form = form_of(type(value))
        content = form.content(value)
        if form.is_hashed and not form.finds_items(value):
            raise SerializationError(f"an item of a {type(value).__qualname__} has another hash than when it was added")
        if form.is_unordered:
            content = self._sort(content)
        if form.is_exact:
            return [_EXACT_NUMBERS[form.kind], self._parts(content)]
        attributes = form.attributes(value)
        if self._references.setdefault(id(attributes), None) is not None:
            raise SerializationError("an attribute dictionary is also a part of the value")
        state = [*form.slots(value), *attributes.values()]
        number = self._layouts.get((form.kind, *attributes)) or self._add_layout(form, attributes)
        return [number, self._parts(content), self._parts(state)]

    def _add_layout(self, form: TypeForm, names: Iterable[str]) -> int:
        if not all(type(name) is str for name in names):
            raise SerializationError(f"the name of an attribute of {form.kind.__qualname__} is not a string")
        self.is_checked &= form.is_checked
        number = self._layouts[(form.kind, *names)] = len(_EXACT_NUMBERS) + len(self._layouts)
        return number

    def _parts(self, parts: list[Any]) -> list[Any]:
        native = self._native
        if len(parts) >= MIN_BULK_PARTS and native.issuperset(map(type, parts)):
            return parts
        return [part if type(part) in native else self._part(part) for part in parts]

    def _part(self, part: Any) -> Any:
        code = _IMMUTABLE.get(type(part))
        if code is None:
            extension = encode_extension(part)
            return self._refer(part) if extension is None else extension
        if not ATOMS.issuperset(map(type, part)):
            return self._refer(part)
        return Ext(code, _encode(self._parts(list(part) if code == TUPLE else self._sort(list(part)))))

    def _refer(self, value: Any) -> list[int]:
        """Return the reference to an object; its record number is added with its record."""
        reference: list[int] | None = self._references.get(id(value), _MISSING)
        if reference is None:
            raise SerializationError("an attribute dictionary is also a part of the value")
        if reference is _MISSING:
            reference = self._references[id(value)] = []
        else:
            self.is_tree = False
        if not reference:
            self._pending.append(value)
        return reference


def _all_parts(value: Any) -> Iterator[Any]:
    form = form_of(type(value))
    return itertools.chain(form.content(value), form.slots(value), form.attributes(value).values())


class _OpenRecord:
    """Record of an object with parts that are not yet in the table."""

    __slots__ = ("record", "value")

    def __init__(self, value: Any, record: list[Any]) -> None:
        self.value = value
        self.record = record


def encode_objects(root: Any, native: frozenset[type], sort: SortItems) -> bytes:
    """Return the table of a value as bytes.

    Raises:
        SerializationError: an object cannot be stored.
        OverflowError, UnicodeEncodeError: MessagePack cannot express an atom.

    """
    return ObjectTable(root, native, sort).encode()


def encode_checked(root: Any, native: frozenset[type], sort: SortItems) -> bytes:
    """Return the table of a value as bytes, after a check that they restore an equal value.

    Objects are read and written in the same way, so a copy has the state of the original. The check restores the value
    to test the other properties: that the objects of a type can be restored, and equal their copies; and that the
    hash of an item does not depend on a container around it. It is omitted if types that passed it form a tree.

    Raises:
        SerializationError: the value cannot be stored, or its copy differs.
        OverflowError, UnicodeEncodeError: MessagePack cannot express an atom.

    """
    table = ObjectTable(root, native, sort)
    data = table.encode()
    if not (table.is_tree and table.is_checked):
        _check(table, data)
    return data


def _check(table: ObjectTable, data: bytes) -> None:
    _, copies = restore_objects(data)
    for value, copy in zip(table.objects, copies, strict=True):
        form = form_of(type(value))
        if form.is_hashed and not (len(form.content(copy)) == len(form.content(value)) and form.finds_items(copy)):
            raise SerializationError(f"the items of a {type(value).__qualname__} have another hash when they come back")
    pairs = zip(reversed(table.objects), reversed(copies), strict=True)
    smallest = {form_of(type(value)): (value, copy) for value, copy in pairs}  # parts precede the whole
    for form in table.forms():
        value, copy = smallest[form]
        if table.is_tree or table.is_leaf(value):  # otherwise a comparison may take exponential time, or have no end
            _check_equality(table, form, value, copy)


def _check_equality(table: ObjectTable, form: TypeForm, value: Any, copy: Any) -> None:
    """Check that an object equals its copy, which has the same state. Neither an exception nor NaN proves anything."""
    try:
        is_equal = bool(value == copy)
    except Exception:  # noqa: BLE001  too many levels, or a signaling NaN; a method of the type may raise anything
        return
    if not is_equal and not any(map(_is_nan, table.atoms())):
        raise SerializationError(f"{form.kind.__module__}:{form.kind.__qualname__} does not come back equal")
    form.is_checked = is_equal


def _is_nan(atom: Any) -> bool:
    if type(atom) is decimal.Decimal:
        return atom.is_nan()
    return type(atom) in (float, complex) and cmath.isnan(atom)


def restore_objects(data: bytes | memoryview) -> tuple[Any, list[Any]]:
    """Return the value of a table, and its objects in the order of their records.

    Raises:
        Exception: a type has changed, or the bytes do not come from ``ObjectTable.encode``.

    """
    layouts, records, root = decode(data)
    named = [(form_of_shape(shape), list(map(sys.intern, names))) for shape, names in layouts]
    return _Restoration([*_EXACT_LAYOUTS, *named], records).run(root)


class _Restoration:
    """Restoration of the objects in a table."""

    def __init__(self, layouts: Sequence[Layout], records: list[list[Any]]) -> None:
        self._layouts = layouts
        self._records = records
        self._objects: list[Any] = [_MISSING] * len(records)

    def run(self, root: Any) -> tuple[Any, list[Any]]:
        """Return the value and the objects, complete."""
        for number, (layout, content, *state) in enumerate(self._records):
            form, names = self._layouts[layout]
            value = self._object(number)
            if content and form.fill is not None:
                form.fill(value, self._parts(content))
            if state:
                form.set_state(value, names, self._parts(state[0]))
        return self._parts([root])[0], self._objects

    def _object(self, number: int) -> Any:
        """Return an object, which may be incomplete if it is part of a cycle."""
        value = self._objects[number]
        if value is _MISSING:
            layout, content, *_ = self._records[number]
            form, _ = self._layouts[layout]
            value = form.create(form.kind) if form.fill else form.create(form.kind, self._parts(content))
            self._objects[number] = value
        return value

    def _parts(self, parts: list[Any]) -> list[Any]:
        if list not in map(type, parts):
            return parts
        return [self._object(part[0]) if type(part) is list else part for part in parts]
