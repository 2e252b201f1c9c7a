"""The report's page: one HTML file with its style and pictures inside, and the few elements that chapters are made of.

Every element returns HTML; text that goes in is escaped, except where a parameter is called `html`.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable, Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #56606e; --line: #d9dee5; --page: #fff; --tint: #f4f6f8;
  --link: #0b62a3 }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #a3adba; --line: #3a4350; --page: #14181e;
  --tint: #1e242c; --link: #7cc0f5 } }
* { box-sizing: border-box }
html { font: 106%/1.6 system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif; color: var(--ink);
  background: var(--page); -webkit-text-size-adjust: 100% }
body { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem }
p, ul, ol { max-width: 44rem }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .6rem; letter-spacing: -.015em }
h2 { font-size: 1.4rem; line-height: 1.3; margin: 3.2rem 0 .6rem; padding-top: 1.2rem;
  border-top: 1px solid var(--line) }
h3 { font-size: 1.05rem; margin: 1.8rem 0 .4rem }
a { color: var(--link) }
nav { margin: 1.4rem 0; display: flex; flex-wrap: wrap; gap: .3rem 1.3rem }
.lead { font-size: 1.1rem } .note, figcaption, footer { color: var(--soft); font-size: .9rem; line-height: 1.5 }
code, pre { font-family: ui-monospace, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace }
code { background: var(--tint); padding: .1em .3em; border-radius: 3px; font-size: .88em;
  white-space: nowrap }
pre { background: var(--tint); line-height: 1.25; padding: .9rem 1.1rem; border-radius: 6px; overflow-x: auto }
pre code { padding: 0; background: none; white-space: pre }
.wide { overflow-x: auto } .table { margin: 1.4rem 0 } .table figcaption { margin: 0 0 .3rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .94rem; min-width: min(100%, 30rem) }
th, td { padding: .32rem .5rem .32rem 1.2rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line) }
th:first-child, td:first-child { text-align: left; padding-left: 0 } th { font-weight: 600; vertical-align: bottom }
figure { margin: 1.6rem 0 } figcaption { margin-top: .5rem; max-width: 44rem }
img { display: block; max-width: 100%; height: auto; border-radius: 5px }
.chart { overflow-x: auto; background: #fff; padding: .7rem; border: 1px solid var(--line); border-radius: 6px }
.chart img { width: 100%; min-width: 36rem; border-radius: 0 }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); gap: 1rem }
.pair figure { margin: 0 } .pair + figure { margin-top: 1rem } .pair img, .pair + figure img { width: 100% }
.drawings { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 0 1rem }
.drawings figure { margin: .5rem 0; min-width: 0 } .drawings pre { margin: 0 }
@media print { html { font-size: 10pt; color: #000; background: #fff } body { max-width: none; padding: 0 }
  nav { display: none } h2, h3 { break-after: avoid } figure, table, pre { break-inside: avoid } a { color: inherit }
  .chart { border: 0; padding: 0 } .chart img { min-width: 0 } pre, pre code { white-space: pre-wrap } }
"""


def page(title: str, lead: str, chapters: Sequence[tuple[str, str, str]], html: str) -> str:
    """The document. chapters: (identifier, heading, HTML). html: the foot of the page."""
    contents = "".join(f'<a href="#{name}">{escape(heading)}</a>' for name, heading, _ in chapters)
    body = "".join(
        f'<section id="{name}"><h2>{escape(heading)}</h2>\n{content}</section>\n' for name, heading, content in chapters
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<header><h1>{escape(title)}</h1>\n<p class="lead">{rich(lead)}</p>\n'
        f'<nav aria-label="Contents">{contents}</nav></header>\n<main>\n{body}</main>\n'
        f"<footer>{html}</footer>\n</body>\n</html>\n"
    )


def rich(text: str) -> str:
    """Escaped text in which `code` and *emphasis* are marked.

    >>> rich("a < b in `vcycle solve`")
    'a &lt; b in <code>vcycle solve</code>'
    """
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
    return re.sub(r"\*([^*\s][^*]*)\*", r"<em>\1</em>", text)


def paragraphs(*texts: str) -> str:
    return "".join(f"<p>{rich(text)}</p>\n" for text in texts)


def heading(text: str) -> str:
    return f"<h3>{rich(text)}</h3>\n"


def commands(*lines: str) -> str:
    return preformatted("\n".join(lines))


def preformatted(text: str) -> str:
    return f'<pre tabindex="0"><code>{escape(text)}</code></pre>\n'


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The first column is text and names its row."""
    top = "".join(f'<th scope="col">{rich(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{rich(row[0])}</th>{"".join(f"<td>{rich(cell)}</td>" for cell in row[1:])}</tr>\n'
        for row in rows
    )
    return (
        f'<figure class="table"><figcaption>{rich(caption)}</figcaption>\n<div class="wide" tabindex="0"><table>'
        f"<thead><tr>{top}</tr></thead>\n<tbody>\n{body}</tbody></table></div></figure>\n"
    )


def figure(picture: bytes, alt: str, caption: str, *, chart: bool = False) -> str:
    """A PNG or JPEG, inside the page. chart: on white paper, not shrunk below what can be read."""
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    data = base64.b64encode(picture).decode("ascii")
    image = f'<img alt="{escape(alt)}" src="data:image/{kind};base64,{data}">'
    image = f'<div class="chart" tabindex="0">{image}</div>' if chart else image
    return f"<figure>{image}<figcaption>{rich(caption)}</figcaption></figure>\n"


def pair(*html: str) -> str:
    return f'<div class="pair">{"".join(html)}</div>\n'


def drawings(captioned: Iterable[tuple[str, str]]) -> str:
    """Text drawings (caption, drawing), side by side where there is room."""
    cells = (
        f"<figure>{preformatted(text)}<figcaption>{rich(caption)}</figcaption></figure>" for caption, text in captioned
    )
    return f'<div class="drawings">{"".join(cells)}</div>\n'


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def scientific(x: float, digits: int = 1) -> str:
    """
    >>> scientific(0.000234), scientific(0.0)
    ('2.3·10⁻⁴', '0')
    """
    if not math.isfinite(x) or x == 0:
        return f"{x:g}"
    mantissa, exponent = f"{x:.{digits}e}".split("e")
    return f"{mantissa}·10{str(int(exponent)).translate(_RAISED)}"
