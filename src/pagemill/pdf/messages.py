"""Requests to a render worker and its answers, as what crosses between processes. For both sides."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from pagemill.domain.pages.model import CountedPdf, Picture, Rendering
from pagemill.domain.wording import encodable
from pagemill.pdf.page import CountPages, RenderPage
from pagemill.pdf.pdf_file import PdfFile
from pagemill.workers.frames import Message, cut


def request_of(asked: CountPages | RenderPage) -> Message:
    """A request as a message, with the files that it names."""
    if isinstance(asked, RenderPage):
        values = {"path": _name(asked.file), "number": asked.number, "picture": asdict(asked.picture)}
        return Message(values, files=[asked.file.descriptor])
    files = [asked.file, *([asked.copy] if asked.copy else [])]
    return Message({"paths": [_name(file) for file in files]}, files=[file.descriptor for file in files])


def handler(answer: Callable[[CountPages | RenderPage], CountedPdf | Rendering]) -> Callable[[Message], Message]:
    """What answers messages, from what answers requests."""

    def handle(message: Message) -> Message:
        asked = _asked(message)
        found = answer(asked)
        return _rendered(found) if isinstance(found, Rendering) else _counted(found, asked.file)

    return handle


def _name(file: PdfFile) -> str:
    return os.fsencode(file.path).hex()  # names may have any bytes


def _path(name: str) -> Path:
    return Path(os.fsdecode(bytes.fromhex(name)))


def _asked(message: Message) -> CountPages | RenderPage:
    values, files = message.values, message.files
    if "number" in values:
        return RenderPage(PdfFile(_path(values["path"]), files[0]), values["number"], Picture(**values["picture"]))
    file, *copy = (PdfFile(_path(name), given) for name, given in zip(values["paths"], files, strict=True))
    return CountPages(file, copy[0] if copy else None)


def _counted(found: CountedPdf, file: PdfFile) -> Message:
    findings = [cut(finding) for finding in found.findings]
    return Message({"pages": found.pages, "findings": findings, "repaired": found.path != file.path})


def _rendered(found: Rendering) -> Message:
    values = {
        "number": found.number,
        "width_px": found.width_px,
        "height_px": found.height_px,
        "image": found.png is not None,
        "blank": found.blank,
        "text": None if found.text is None else encodable(found.text),
        "objections": [cut(objection) for objection in found.objections],
        "render_seconds": found.render_seconds,
        "inspect_seconds": found.inspect_seconds,
        "encode_seconds": found.encode_seconds,
        "dpi": found.dpi,
        "ink_share": found.ink_share,
        "inner_ink_share": found.inner_ink_share,
        "layer": encodable(found.layer),
        "pieces": [{"overlap": piece.overlap, "may_be_empty": piece.may_be_empty} for piece in found.pieces],
    }
    images = [found.png] if found.png is not None else [piece.png for piece in found.pieces]
    return Message(values, images)
