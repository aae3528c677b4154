"""Optional content: which layers of a document are off (PDF 1.7, 8.11)."""

from __future__ import annotations

from typing import Any

import pikepdf


class Layers:
    """The layers of a document, in the state in which viewers open it."""

    def __init__(self, pdf: pikepdf.Pdf) -> None:
        self._off: set[tuple[int, int]] = set()
        properties = pdf.Root.get("/OCProperties")
        if not isinstance(properties, pikepdf.Dictionary):
            return
        default = properties.get("/D", pikepdf.Dictionary())
        if default.get("/BaseState") == pikepdf.Name.OFF:
            self._off = {group.objgen for group in _groups(properties.get("/OCGs"))}
            self._off -= {group.objgen for group in _groups(default.get("/ON"))}
        self._off |= {group.objgen for group in _groups(default.get("/OFF"))}

    def hide(self, content: Any) -> bool:
        """Tell whether content that belongs to a group (OCG) or a rule about groups (OCMD) is not shown.

        A visibility expression is not evaluated: what it rules is taken for shown.
        """
        if not isinstance(content, pikepdf.Dictionary):
            return False
        if content.get("/Type") != pikepdf.Name.OCMD:
            return content.objgen in self._off
        groups = content.get("/OCGs")
        members = [groups] if isinstance(groups, pikepdf.Dictionary) else _groups(groups)
        if "/VE" in content or not members:
            return False
        off = [member.objgen in self._off for member in members]
        shown = {"/AllOn": not any(off), "/AnyOff": any(off), "/AllOff": all(off)}
        return not shown.get(str(content.get("/P", "/AnyOn")), not all(off))


def _groups(value: Any) -> list[pikepdf.Dictionary]:
    return (
        [group for group in value if isinstance(group, pikepdf.Dictionary)] if isinstance(value, pikepdf.Array) else []
    )
