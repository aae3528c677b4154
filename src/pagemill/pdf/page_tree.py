"""The pages that a PDF has, whatever it says about their number.

PDFium believes the /Count of the root, and counts an entry of the tree that is no page as a page. So pages are lost
without a word where /Count is too small, and pages are expected that do not exist where it is too large.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name

from pagemill.domain.wording import counted
from pagemill.pdf.pdf_file import PdfFile

_INHERITED = ("/Resources", "/MediaBox", "/CropBox", "/Rotate")  # PDF 1.7, table 30
_OF_A_PAGE = ("/Contents", "/MediaBox", "/Resources", "/Annots", "/Parent")
_END = object()
_DEEPEST = 100  # PDFium loads no page below level 1,024, qpdf none below level 100


@dataclass(frozen=True, slots=True)
class _Leaf:
    page: pikepdf.Object
    inherited: Mapping[str, pikepdf.Object]


@dataclass(slots=True)
class PageTree:
    """What a walk through the page tree has found."""

    said: int | None = None  # /Count of the root; None where it is no number
    leaves: list[_Leaf] = field(default_factory=list)
    not_pages: int = 0  # entries that are null, or something else than a page
    repeated: int = 0  # nodes that the tree lists more than once, or inside themselves
    depth: int = 0

    def matches(self, pages: int) -> bool:
        """Whether a reader that knows of `pages` pages finds each of them under its number."""
        sound = not self.not_pages and not self.repeated and self.depth <= _DEEPEST
        return sound and len(self.leaves) == pages

    def findings(self, pages: int) -> tuple[str, ...]:
        """What is wrong with the tree; `pages`: as many as PDFium knows of."""
        found = []
        has = f"the page tree has {len(self.leaves)}"
        if self.said is not None and self.said != len(self.leaves):
            found.append(f"/Count says {counted(self.said, 'page')}, {has}")
        elif pages != len(self.leaves) and not self.not_pages:
            found.append(f"the file says {counted(pages, 'page')}, {has}")
        if self.not_pages:
            of = self.not_pages + len(self.leaves)
            found.append(f"the page tree lists {counted(of, 'page')}, {self.not_pages} of them missing")
        if self.repeated:
            found.append(f"the page tree repeats {counted(self.repeated, 'branch', 'branches')}; each is read once")
        return tuple(found)


def walk(pdf: pikepdf.Pdf) -> PageTree:
    """Find the pages of a document in their order. Every node is entered once; no recursion, whatever the depth."""
    root = _root(pdf)
    tree = PageTree()
    if not isinstance(root, Dictionary):
        return tree
    said: Any = root.get("/Count")
    tree.said = said if isinstance(said, int) else None
    entered = {root.objgen}
    stack: list[tuple[Iterator[Any], Mapping[str, pikepdf.Object]]] = [(iter([root]), {})]
    while stack:
        kids, inherited = stack[-1]
        kid = next(kids, _END)
        if kid is _END:
            stack.pop()
        elif not isinstance(kid, Dictionary):
            tree.not_pages += 1
        elif "/Kids" in kid:
            if kid is not root and kid.is_indirect and kid.objgen in entered:
                tree.repeated += 1
                continue
            entered.add(kid.objgen)
            tree.depth = max(tree.depth, len(stack))
            stack.append((_entries(kid), {**inherited, **{key: kid[key] for key in _INHERITED if key in kid}}))
        elif _is_page(kid):
            tree.leaves.append(_Leaf(kid, inherited))
        elif kid is not root and kid.get("/Type") != Name.Pages:  # else a node without pages
            tree.not_pages += 1
    return tree


def write_flat(pdf: pikepdf.Pdf, tree: PageTree, copy: PdfFile) -> None:
    """Write the document with a page tree of one node: the pages of the walk, in its order. Changes `pdf`.

    References to objects that are not in the file do not get into the copy. If qpdf had to repair the file, a page
    without contents may have lost them: in the copy it gets contents that cannot be decoded, so that it is not blank.

    Raises:
        pikepdf.PdfError: The document is too damaged to be written.
        OSError: There is no room for it.
    """
    node = pdf.make_indirect(Dictionary(Type=Name.Pages, Count=len(tree.leaves), Kids=Array()))
    repaired = _was_repaired(pdf)
    kids = []
    for leaf in tree.leaves:
        page = leaf.page if leaf.page.is_indirect else pdf.make_indirect(leaf.page)
        for key, value in leaf.inherited.items():
            if key not in page:
                page[key] = value
        page.Type, page.Parent = Name.Page, node
        if repaired and "/Contents" not in page:
            page.Contents = pdf.make_stream(b"", Filter=Name.LostContents)
        kids.append(page)
    node.Kids = Array(kids)
    pdf.Root.Pages = node
    with copy.rewritten() as file:
        pdf.save(file, compress_streams=False, stream_decode_level=pikepdf.StreamDecodeLevel.none)


def _was_repaired(pdf: pikepdf.Pdf) -> bool:
    try:
        return bool(pdf.get_warnings())
    except UnicodeDecodeError:  # a warning that quotes damaged bytes
        return True


def _root(pdf: pikepdf.Pdf) -> pikepdf.Object | None:
    """The root of the tree; the catalog may name a node below it."""
    node = pdf.Root.get("/Pages")
    climbed = set()
    while isinstance(node, Dictionary) and node.objgen not in climbed:
        climbed.add(node.objgen)
        parent = node.get("/Parent")
        if not isinstance(parent, Dictionary) or "/Kids" not in parent:
            return node
        node = parent
    return pdf.Root.get("/Pages")


def _entries(node: pikepdf.Object) -> Iterator[Any]:
    """The entries of a node. Not by pikepdf's iterator, which may end at an entry that is null."""
    kids = node.get("/Kids")
    if not isinstance(kids, Array):
        return
    for index in range(len(kids)):
        yield kids[index]


def _is_page(kid: pikepdf.Object) -> bool:
    """Whether a dictionary is a page. Some writers leave out /Type; a damaged reference leads to another object."""
    kind = kid.get("/Type")
    if kind is None or kind == Name.Page:
        return kind is not None or any(key in kid for key in _OF_A_PAGE)
    return kind != Name.Pages and "/Contents" in kid
