"""The words of a line as bash hands them over to be completed.

Bash takes a word apart at each ``=``, ``:`` and ``@`` (COMP_WORDBREAKS): ``--set n=3`` arrives as four words, and only
what stands behind the last of these signs is replaced. Click does not put the words together again.
"""

import re
from collections.abc import Iterable
from typing import Any

from click.shell_completion import BashComplete, CompletionItem, add_completion_class

_BREAK = re.compile(r"[=:@]+")


class BashWords(BashComplete):
    """Click's completion for bash, with whole words."""

    stays = ""  # what stands before the part of the last word that is replaced

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the one that is to be completed, and that one."""
        before, last = super().get_completion_args()
        *args, incomplete = joined([*before, last])
        signs = list(_BREAK.finditer(incomplete))
        self.stays = incomplete[: signs[-1].end()] if signs else ""
        return args, incomplete

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Write what is to stand in the place of the last part."""
        return f"{item.type},{item.value.removeprefix(self.stays)}"


def joined(words: Iterable[str]) -> list[str]:
    """Put together what bash has taken apart: a sign belongs to the word before it, and to what comes after it."""
    whole: list[str] = []
    is_open = False
    for word in words:
        is_sign = _BREAK.fullmatch(word) is not None
        if whole and word and (is_sign or is_open):
            whole[-1] += word
        else:
            whole.append(word)
        is_open = is_sign
    return whole


def register() -> None:
    """Put this in the place of click's own."""
    add_completion_class(BashWords)
