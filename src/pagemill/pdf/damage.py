"""Damage that PDFium passes over: missing objects, streams that end early, filters and operators that nobody knows.

One walk through everything that is rendered of a page, cheap enough for every page: data is inflated, not interpreted,
and what several pages share is looked at once. Contents that a checksum proves whole are searched for names only;
others are read operator by operator.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pikepdf

from pagemill.pdf import image_data
from pagemill.pdf.annotations import appearance, called, is_of_unknown_kind, is_shown, lacks_appearance
from pagemill.pdf.fonts import Risk, risk_of
from pagemill.pdf.fonts_data import font_complaints
from pagemill.pdf.form_fields import field_complaints
from pagemill.pdf.misspelt import misspelt_entries
from pagemill.pdf.objects import Resources, content_streams, inherited, name_of
from pagemill.pdf.resource_names import (
    described,
    ends_with_an_operator,
    names_in_use,
    names_of_instructions,
    resolved,
)
from pagemill.pdf.second_reader import ODD_OBJECTS, SecondReader
from pagemill.pdf.streams import PartlyDamaged, StreamDamaged, undo_filters

_DEEPEST = 12
_MOST_FINDINGS = 8
_NO_NUMBER = (0, 0)  # of objects that stand inside another


@dataclass(slots=True)
class Damage:
    """What is wrong with what is rendered of a page."""

    findings: list[str] = field(default_factory=list)
    lost: dict[str | tuple[int, int], str] = field(default_factory=dict)  # images, by number; what is missing, by name
    risky_fonts: dict[str, Risk] = field(default_factory=dict)  # by base name
    has_images: bool = False

    def add(self, finding: str) -> None:
        """Note a finding once."""
        if finding not in self.findings:
            self.findings.append(finding)

    def take(self, other: Damage) -> None:
        """Note all that another walk found."""
        for finding in other.findings:
            self.add(finding)
        self.lost.update(other.lost)
        self.risky_fonts.update(other.risky_fonts)
        self.has_images = self.has_images or other.has_images

    def said(self) -> tuple[str, ...]:
        """The findings, cut to a readable number."""
        more = len(self.findings) - _MOST_FINDINGS
        return (*self.findings[:_MOST_FINDINGS], *([f"{more} more findings of this kind"] if more > 0 else []))


def damage_of(reader: SecondReader, page: pikepdf.Dictionary) -> Damage:
    """Look at everything that is rendered of a page."""
    damage = Damage()
    try:
        _walk(damage, reader, page)
    except ODD_OBJECTS as error:
        damage.add(odd(error))
    own = reader.page_repairs.setdefault(page.objgen, [])
    own += reader.new_repairs()
    for repair in (*own, *reader.file_repairs):
        damage.add(f"the file is damaged: {repair}")
    return damage


def odd(error: Exception) -> str:
    """The finding where the second reader stumbles over an object that is not of the kind it should be."""
    return f"the file is damaged: an entry has a value that it cannot have ({type(error).__name__})"


def _walk(damage: Damage, reader: SecondReader, page: pikepdf.Dictionary) -> None:
    walk = _Walk(reader, page)
    for finding in misspelt_entries(page, "/Page"):
        damage.add(f"the page's {finding}")
    if inherited(page, "/MediaBox") is None:
        damage.add("the page has no /MediaBox: US Letter is taken")
    resources = inherited(page, "/Resources")
    for finding in misspelt_entries(resources, "/Resources"):
        damage.add(f"the resources' {finding}")
    walk.page_contents(damage, (resources,))
    walk.annotations(damage)


@dataclass(frozen=True, slots=True)
class _Used:
    """An object that contents use."""

    thing: Any
    what: str  # for messages
    resources: Resources  # of the contents
    depth: int


class _Walk:
    def __init__(self, reader: SecondReader, page: pikepdf.Dictionary) -> None:
        self._reader, self._page = reader, page
        self._own_repairs = reader.page_repairs.setdefault(page.objgen, [])

    def page_contents(self, damage: Damage, resources: Resources) -> None:
        """Look at the page's contents, and all that they name."""
        parts, proven = [], True
        for stream in content_streams(self._page):
            if not isinstance(stream, pikepdf.Stream):
                damage.add("the contents end early: an object of them is not in the file")
                continue
            try:
                encoded = undo_filters(stream)
            except StreamDamaged as error:
                damage.add(_of_contents(error))
                continue
            for finding in misspelt_entries(stream, "/Stream"):
                damage.add(f"the contents' {finding}")
            parts.append(encoded.data)
            proven = proven and encoded.proven
        self._contents(damage, b"\n".join(parts), resources, 0, proven=proven)

    def annotations(self, damage: Damage) -> None:
        """Look at the appearances of what stands on the page beside its contents."""
        listed = self._page.get("/Annots")
        for annotation in listed if isinstance(listed, pikepdf.Array) else ():
            if not isinstance(annotation, pikepdf.Dictionary):
                damage.add("an annotation is missing: its object is not in the file")
                continue
            if not is_shown(annotation):
                continue
            for finding in misspelt_entries(annotation, "/Annot"):
                damage.add(f"{called(annotation)}: its {finding}")
            form = appearance(annotation)
            if isinstance(form, pikepdf.Stream):
                self._shared(damage, _Used(form, called(annotation), (inherited(self._page, "/Resources"),), 0))
            elif is_of_unknown_kind(annotation):
                damage.add(f"{called(annotation)} is of no kind that PDF has")
            elif lacks_appearance(annotation):
                damage.add(f"{called(annotation)} has no appearance")
            elif annotation.Subtype == pikepdf.Name.Widget:
                for complaint in field_complaints(annotation, self._reader.form):
                    damage.add(f"{called(annotation)} {complaint}")

    def _contents(self, damage: Damage, data: bytes, resources: Resources, depth: int, *, proven: bool) -> None:
        names = names_in_use(data)
        missing = [(operator, name) for operator, name in names if resolved(resources, operator, name) is None]
        inline = b"BI" in data
        damage.has_images = damage.has_images or inline
        if not proven or missing or inline or not ends_with_an_operator(data):
            names, complaint = names_of_instructions(data)
            if complaint:
                damage.add(complaint)
        for operator, name in sorted(names):
            thing, what = resolved(resources, operator, name), described(operator, name)
            if thing is None:
                damage.add(f"{what} is missing")
                if operator == b"Do":
                    damage.lost[name_of(b"/" + name)] = f"{what} is missing"
            elif isinstance(thing, pikepdf.Array):
                _check_colour_space(damage, what, thing)
            elif isinstance(thing, pikepdf.Dictionary | pikepdf.Stream):
                self._shared(damage, _Used(thing, what, resources, depth))

    def _shared(self, damage: Damage, used: _Used) -> None:
        """Look at something that other pages may use, too; once."""
        verdicts, identity = self._reader.verdicts, used.thing.objgen
        found = verdicts.get(identity)
        if found is None:
            found = Damage()
            if identity != _NO_NUMBER:
                verdicts[identity] = found  # before the walk: a form may name itself
            if used.depth <= _DEEPEST:
                self._own_repairs += self._reader.new_repairs()
                self._thing(found, used)
                for repair in self._reader.new_repairs():
                    found.add(f"the file is damaged: {repair}")
        damage.take(found)

    def _thing(self, damage: Damage, used: _Used) -> None:
        thing = used.thing
        if isinstance(thing, pikepdf.Stream) and thing.get("/Subtype") == pikepdf.Name.Image:
            _check_image(damage, thing, used.what.replace("object", "image"))
        elif isinstance(thing, pikepdf.Stream):
            self._form(damage, used)
        elif used.what.startswith("font"):
            self._font(damage, used)
        else:
            mask = thing.get("/SMask")
            group = mask.get("/G") if isinstance(mask, pikepdf.Dictionary) else None
            if isinstance(group, pikepdf.Stream):
                self._shared(damage, _Used(group, f"{used.what}, its mask", used.resources, used.depth + 1))

    def _font(self, damage: Damage, used: _Used) -> None:
        font = used.thing
        for complaint in font_complaints(font):
            damage.add(f"{used.what} {complaint}")
        if risk := risk_of(font):
            damage.risky_fonts[str(font.get("/BaseFont", ""))[1:]] = risk
        glyphs = font.get("/CharProcs")
        for name, glyph in glyphs.items() if isinstance(glyphs, pikepdf.Dictionary) else ():
            if isinstance(glyph, pikepdf.Stream):
                resources = (font.get("/Resources"), *used.resources)
                self._form(damage, _Used(glyph, f"{used.what}, glyph {name[1:]}", resources, used.depth))

    def _form(self, damage: Damage, used: _Used) -> None:
        form = used.thing
        for finding in misspelt_entries(form, "/Form"):
            damage.add(f"{used.what}: its {finding}")
        try:
            encoded = undo_filters(form)
        except StreamDamaged as error:
            damage.add(f"{used.what} is damaged: {error}")
            return
        if "/ShadingType" in form or "/FunctionType" in form:
            return  # a mesh: numbers, no operators
        own = form.get("/Resources")
        inner = (own, *used.resources) if isinstance(own, pikepdf.Dictionary) else used.resources
        self._contents(damage, encoded.data, inner, used.depth + 1, proven=encoded.proven)


def _check_image(damage: Damage, image: pikepdf.Stream, what: str) -> None:
    damage.has_images = True
    for finding in misspelt_entries(image, "/Image"):
        damage.add(f"{what}: its {finding}")
    _check_colour_space(damage, what, image.get("/ColorSpace"))
    for stream in (image, image.get("/SMask"), image.get("/Mask")):
        if isinstance(stream, pikepdf.Stream):
            try:
                image_data.check(stream)
            except StreamDamaged as error:
                found = f"{what} ({image_data.filter_name(stream)}) is damaged: {error}"
                damage.add(found)
                if not isinstance(error, PartlyDamaged):
                    damage.lost[image.objgen] = found


def _check_colour_space(damage: Damage, what: str, space: Any) -> None:
    for part in space if isinstance(space, pikepdf.Array) else ():
        if isinstance(part, pikepdf.Stream):  # a profile, or a table of colours
            try:
                undo_filters(part)
            except StreamDamaged as error:
                damage.add(f"the colours of {what} are damaged: {error}")


def _of_contents(error: StreamDamaged) -> str:
    text = str(error)
    return f"the contents end early: {text}" if "data" in text else f"the contents cannot be read: {text}"
