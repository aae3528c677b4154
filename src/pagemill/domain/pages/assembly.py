"""Page results as JSON and as Markdown."""

from __future__ import annotations

import json
from dataclasses import asdict

from pagemill.domain.pages.model import PageResult, Status


def to_json(result: PageResult) -> str:
    """A page result as one line of JSON: the content of a checkpoint, and a line of `pages.jsonl`."""
    return json.dumps(asdict(result), ensure_ascii=False) + "\n"


def from_json(text: str | bytes) -> PageResult:
    """Parse a page result.

    Raises:
        ValueError: The text is not a page result.
    """
    try:
        fields = json.loads(text)
        fields["status"] = Status(fields["status"])
        fields["objections"] = tuple(fields["objections"])
        return PageResult(**fields)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a page result: {error}") from error


def markdown(result: PageResult) -> str:
    """The Markdown of one page, after the marker `<!-- page N -->`.

    A page without text has a comment with the reason, so that a reader never mistakes a failed page for a blank one.
    """
    return f"<!-- page {result.number} -->\n\n{_body(result)}\n"


def _body(result: PageResult) -> str:
    if result.status is Status.FAILED:
        # "--" would end the comment.
        return f"<!-- failed: {'; '.join(result.objections).replace('--', '- -')} -->\n"
    if result.status is Status.BLANK:
        return "<!-- blank -->\n"
    note = f"<!-- {result.status}: the embedded text, not the model's -->\n\n" if result.status is not Status.OK else ""
    return f"{note}{result.markdown.strip()}\n"
