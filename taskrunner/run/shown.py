"""Arguments as they are shown beside an error: short, whatever they are."""

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

LONGEST = 300

_ATOMS = (type(None), bool, float, complex, bytes)


class _Short(reprlib.Repr):
    """Cuts what is long."""

    def __init__(self) -> None:
        super().__init__(maxstring=60, maxother=60, maxlong=40, maxlist=6, maxtuple=6, maxdict=6, maxset=6, maxlevel=3)


class _ShortAndOwn(_Short):
    """Calls no method of an object that is not built in, either."""

    def repr_instance(self, x: Any, level: int) -> str:
        return super().repr_instance(x, level) if type(x) in _ATOMS else f"<{type(x).__name__}>"


_repr = _Short()
_in_use = _ShortAndOwn()


def written(args: Sequence[Any], kwargs: Mapping[str, Any], *, is_in_use: bool = False) -> str:
    """Write the arguments of a call, cut where they are long; it never raises, whatever their methods do.

    ``is_in_use``: by a call that still runs; none of their own methods is called then.
    """
    short = _in_use.repr if is_in_use else _short
    parts = [short(value) for value in args] + [f"{name}={short(value)}" for name, value in kwargs.items()]
    text = f"({', '.join(parts)})"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]}...)"


def _short(value: Any) -> str:
    try:
        return _repr.repr(value)
    except BaseException:  # noqa: BLE001  a value's own method may raise anything
        return f"<{type(value).__name__} that cannot be shown>"
