"""Arguments as they are shown beside an error: short, whatever they are."""

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

LONGEST = 300

_repr = reprlib.Repr(maxstring=60, maxother=60, maxlong=40, maxlist=6, maxtuple=6, maxdict=6, maxset=6, maxlevel=3)


def written(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Write the arguments of a call, cut where they are long; it never raises, whatever their methods do."""
    parts = [_short(value) for value in args] + [f"{name}={_short(value)}" for name, value in kwargs.items()]
    text = f"({', '.join(parts)})"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]}...)"


def _short(value: Any) -> str:
    try:
        return _repr.repr(value)
    except BaseException:  # noqa: BLE001  a value's own method may raise anything
        return f"<{type(value).__name__} that cannot be shown>"
