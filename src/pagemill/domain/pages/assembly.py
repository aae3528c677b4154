"""Page results into the text that is shipped, and back."""

from __future__ import annotations

import json
from dataclasses import asdict

from pagemill.domain.pages.model import PageResult, Status


def to_json(result: PageResult) -> str:
    """A page result as one line of JSON: a checkpoint, and a line of `pages.jsonl`."""
    return json.dumps(asdict(result), ensure_ascii=False) + "\n"


def from_json(text: str | bytes) -> PageResult:
    """Read a page result back.

    Raises:
        ValueError: If the text is no page result.
    """
    try:
        fields = json.loads(text)
        fields["status"] = Status(fields["status"])
        fields["objections"] = tuple(fields["objections"])
        return PageResult(**fields)
    except (KeyError, TypeError) as error:
        raise ValueError(f"no page result: {error}") from error


def markdown(result: PageResult) -> str:
    """A page's part of its document's Markdown, behind `<!-- page N -->`.

    A page without text says why in a comment: a reader never takes a gap for a blank page.
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
