"""HTML page in one file: it contains its text, styles, scripts and data, and fetches nothing.

Guarantees:

- The Content-Security-Policy allows only the scripts and styles of this module, by their hashes.
- The page makes no network request.
- The content of a node id never runs as code.

The browser therefore ignores ``style`` and ``on…`` attributes in ``body``. Use classes and SVG attributes instead.
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
_TEMPLATE = """<!doctype html>
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
        title: unescaped text.
        body: HTML; all external strings in it have passed through ``html_text``.
        data: the value of ``page.data`` in the scripts; anything that msgspec can encode as JSON. Its ``tables``
            are the tables of the page by name, see ``taskrunner.analysis.html.table``.
        scripts: names of further assets, ``.js`` or ``.css``, that follow ``page.js`` and ``page.css``.

    """
    names = ["page.css", "page.js", *scripts]
    styles = [asset(name) for name in names if name.endswith(".css")]
    codes = [asset(name) for name in names if name.endswith(".js")]
    return _TEMPLATE.format(
        policy=escape(_POLICY.format(style=_hashes(styles), script=_hashes(codes))),
        title=html_text(title),
        styles="\n".join([f"<style>{style}</style>" for style in styles]),
        body=body,
        # Only strings in JSON contain a "<". Without it, no string can end the script element.
        data=msgspec.json.encode(data).decode().replace("<", "\\u003c"),
        scripts="\n".join([f"<script>{code}</script>" for code in codes]),
    )


def asset(name: str) -> str:
    """Return the source of a script or stylesheet of the package."""
    return resources.files(_ASSETS).joinpath(name).read_text("utf-8")


def html_text(text: str) -> str:
    """Escape an external string as HTML on one line, including its tags and bidirectional control characters."""
    return escape(printable(text))


def _hashes(sources: Sequence[str]) -> str:
    """Return the hash sources of a Content-Security-Policy (https://www.w3.org/TR/CSP3/#grammardef-hash-source)."""
    digests = [base64.b64encode(hashlib.sha256(source.encode()).digest()).decode() for source in sources]
    return " ".join([f"'sha256-{digest}'" for digest in digests])
