"""Page results as JSON and as Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

from pagemill.domain.pages import strict_json
from pagemill.domain.pages.model import PageResult, Status
from pagemill.domain.pages.strict_json import JsonObject
from pagemill.domain.pages.trust import PageFinding
from pagemill.domain.wording import encodable

# JSON allows these inside a text, but readers that split a file into lines may end a line there.
_LINE_ENDS = re.compile("[\x85\u2028\u2029]")
_DASHES = re.compile("-(?=-)")

_READERS: Mapping[object, Callable[[JsonObject, str], object]] = {  # by a field's type
    "int": JsonObject.count,
    "float": JsonObject.amount,
    "float | None": JsonObject.amount_or_none,
    "str": JsonObject.text,
    "tuple[str, ...]": JsonObject.texts,
    "tuple[PageFinding, ...]": lambda body, name: tuple(map(PageFinding.read, body.objects(name))),
    "Status": lambda body, name: Status(body.text(name)),
}
_FIELDS = {field.name: _READERS[field.type] for field in fields(PageResult)}
_LATER = ("score", "findings")  # results of version 0.1 do not have them


def to_json(result: PageResult) -> str:
    """A page result as one line of JSON: the content of a checkpoint, and a line of `pages.jsonl`."""
    body = json.dumps(asdict(result), ensure_ascii=False)
    return _LINE_ENDS.sub(lambda match: f"\\u{ord(match[0]):04x}", body) + "\n"


def from_json(text: str | bytes) -> PageResult:
    """Parse a page result: all fields of its version, no others, each of its type.

    Raises:
        ValueError: The text is not a page result.
    """
    body = strict_json.parse(text)
    body.only(*_FIELDS)
    there = {name: read for name, read in _FIELDS.items() if name in body.names or name not in _LATER}
    values: dict[str, Any] = {name: read(body, name) for name, read in there.items()}
    result = PageResult(**values)
    if result.number < 1:
        raise ValueError("pages count from 1")
    if result.score is not None and result.score > 1:
        raise ValueError("the score is above 1")
    if result.markdown and result.status is Status.BLANK:
        raise ValueError("the page is blank and has a text")
    return result


def markdown(result: PageResult) -> str:
    """The Markdown of one page, after the marker `<!-- page N -->`.

    A page without text has a comment with the reason, so that a reader never mistakes a failed page for a blank one.
    All comments are pagemill's own: in the text of a page `<!--` is written as `&lt;!--`, which looks the same where
    Markdown is shown. So no text can look like a marker, or begin a comment that hides the pages after it.
    """
    return f"<!-- page {result.number} -->\n\n{_body(result)}\n"


def _body(result: PageResult) -> str:
    if result.status is Status.FAILED:
        return _comment(f"failed: {'; '.join(result.objections)}")
    if result.status is Status.BLANK:
        return _comment("blank")
    text = result.markdown.strip().replace("<!--", "&lt;!--") + "\n"
    if result.status is Status.OK:
        return text
    return _comment(f"{result.status}: the embedded text, not the model's") + "\n" + text


def _comment(text: str) -> str:
    """A comment of one line. Nothing in the text ends it: there is no `--` in it, nor `>` at its beginning.

    Args:
        text: What it says; begins with a word.
    """
    printable = "".join(character if character.isprintable() else " " for character in encodable(text))
    return f"<!-- {_DASHES.sub('- ', ' '.join(printable.split()))} -->\n"
