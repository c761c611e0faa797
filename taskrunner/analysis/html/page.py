"""A page that is one file: text, style, scripts and data in it, and nothing fetched from anywhere.

Its Content-Security-Policy allows the scripts and styles that this module has put in, by their hashes, and nothing
else. So the page reaches no network, and whatever a node's id holds, it never runs. It also means that no element of
``body`` may have a ``style`` or an ``on…`` attribute: they would be ignored. Classes and the attributes of SVG
serve instead.
"""

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from importlib import resources
from typing import Any

import msgspec

from taskrunner.safe.printable import printable

_ASSETS = "taskrunner.analysis.html.assets"
_POLICY = "default-src 'none'; style-src {style}; script-src {script}; base-uri 'none'; form-action 'none'"
_FORM = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
{styles}
</head>
<body>
<header><h1>{title}</h1><button id="theme" type="button" hidden></button></header>
<main>
{body}
</main>
<script type="application/json" id="data">{data}</script>
{scripts}
</body>
</html>
"""


def page(title: str, body: str, data: Any, scripts: Sequence[str]) -> str:
    """Return a whole page.

    Args:
        title: plain text.
        body: HTML, in which everything from elsewhere went through ``html_text``.
        data: what ``page.js`` and the other scripts read as ``page.data``; anything that msgspec writes as JSON.
            ``tables`` in it holds the page's tables by name, see ``taskrunner.analysis.html.table``.
        scripts: names of further assets, ``.js`` or ``.css``, that come after ``page.js`` and ``page.css``.

    """
    names = ["page.css", "page.js", *scripts]
    styles = [asset(name) for name in names if name.endswith(".css")]
    codes = [asset(name) for name in names if name.endswith(".js")]
    return _FORM.format(
        policy=escape(_POLICY.format(style=_hashes(styles), script=_hashes(codes))),
        title=html_text(title),
        styles="\n".join([f"<style>{style}</style>" for style in styles]),
        body=body,
        # only strings of JSON hold a "<", and only by it a text could end the element that it stands in
        data=msgspec.json.encode(data).decode().replace("<", "\\u003c"),
        scripts="\n".join([f"<script>{code}</script>" for code in codes]),
    )


def asset(name: str) -> str:
    """Return a script or a style that comes with the package."""
    return resources.files(_ASSETS).joinpath(name).read_text("utf-8")


def html_text(text: str) -> str:
    """Return a text of somebody else as HTML, on one line: neither a tag nor a character that turns others round."""
    return escape(printable(text))


def _hashes(texts: Sequence[str]) -> str:
    """Return the sources of a Content-Security-Policy (https://www.w3.org/TR/CSP3/#grammardef-hash-source)."""
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
    return " ".join([f"'sha256-{digest}'" for digest in digests])
