"""Parts of a page: a table, and what a result says of itself."""

from __future__ import annotations

from typing import Any


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def source(result: dict[str, Any]) -> str:
    return (
        f"`{result['command']}` at commit {result['commit']}, torch {result['torch']}, {result['processor']}, "
        f"{result['threads']} threads, {result['date']}."
    )
