"""Bash completion with whole words.

Bash splits a word at each ``=``, ``:`` and ``@`` (COMP_WORDBREAKS): ``--set n=3`` arrives as four words. Bash replaces
only the part behind the last of these signs. Click does not join the parts again.
"""

import re
from collections.abc import Iterable
from typing import Any

from click.shell_completion import BashComplete, CompletionItem, add_completion_class

_BREAK = re.compile(r"[=:@]+")


class BashWords(BashComplete):
    """Click's completion for bash, with whole words."""

    fixed_prefix = ""  # the start of the last word, which bash does not replace

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the incomplete one, and the incomplete one."""
        preceding, last = super().get_completion_args()
        *args, incomplete = join_words([*preceding, last])
        signs = list(_BREAK.finditer(incomplete))
        self.fixed_prefix = incomplete[: signs[-1].end()] if signs else ""
        return args, incomplete

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Return the line for an item, with the text that replaces the last part of the word."""
        return f"{item.type},{item.value.removeprefix(self.fixed_prefix)}"


def join_words(words: Iterable[str]) -> list[str]:
    """Join the parts that bash has split: a sign joins the word before it and the word after it."""
    joined: list[str] = []
    is_open = False
    for word in words:
        is_sign = _BREAK.fullmatch(word) is not None
        if joined and word and (is_sign or is_open):
            joined[-1] += word
        else:
            joined.append(word)
        is_open = is_sign
    return joined


def register() -> None:
    """Replace click's completion class for bash."""
    add_completion_class(BashWords)
