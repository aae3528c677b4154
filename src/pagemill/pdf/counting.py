"""Counts the pages that a PDF has. Where PDFium would count others, it gets a repaired copy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pikepdf
import pypdfium2 as pdfium

from pagemill.domain.pages.model import CountedPdf
from pagemill.domain.wording import counted
from pagemill.errors import DocumentUnreadable
from pagemill.pdf import embedded, file_end, page_tree
from pagemill.pdf.documents import open_document
from pagemill.pdf.pdf_file import PdfFile

_LARGEST_MAPPED_BYTES = 2**28  # larger files are read, not mapped: a worker's address space is limited
_LARGEST_GAP = 100  # pages in a row that cannot be loaded: there are no further ones


def count(document: pdfium.PdfDocument, file: PdfFile, copy: PdfFile | None) -> CountedPdf:
    """Count a document's pages, and say what is wrong with it as a whole.

    Args:
        document: The document as PDFium has it.
        file: Its file.
        copy: Where a repaired copy is written if PDFium cannot load all pages of the document itself; None: nowhere.

    Raises:
        DocumentUnreadable: None of its pages can be found.
    """
    pages = len(document)  # at least one: pypdfium2 does not open a PDF without pages
    found = (*file_end.findings(file), *embedded.findings(document))
    with _second_opinion(file) as pdf:
        tree = _walked(pdf)
        if tree and tree.matches(pages):
            return CountedPdf(file.path, pages, (*tree.findings(pages), *found))
        if pdf and tree and tree.leaves and (written := _written(pdf, tree, copy)):
            return CountedPdf(written.path, len(tree.leaves), (*tree.findings(pages), *found))
    last = 0 if tree and not tree.leaves else _last_page(document, pages)
    if not last:
        raise DocumentUnreadable(
            f"the PDF has no pages, or none that can be found, although it says {counted(pages, 'page')}; "
            "fetch it again"
        )
    said = () if last == pages else (f"/Count says {counted(pages, 'page')}, {last} can be found",)
    return CountedPdf(file.path, last, (*said, "the page tree is damaged: pages may be missing", *found))


def rebuild(file: PdfFile, copy: PdfFile | None) -> CountedPdf | None:
    """Count the pages of a file in which PDFium finds none, and write a copy that it can read.

    Returns:
        None if qpdf finds no pages, too.
    """
    with _second_opinion(file) as pdf:
        tree = _walked(pdf)
        written = _written(pdf, tree, copy) if pdf and tree and tree.leaves else None
        if not (tree and written):
            return None
    found = ("the file's structure is damaged and was rebuilt: pages may be missing", *tree.findings(len(tree.leaves)))
    return CountedPdf(written.path, len(tree.leaves), (*found, *file_end.findings(file)))


@contextlib.contextmanager
def _second_opinion(file: PdfFile) -> Iterator[pikepdf.Pdf | None]:
    """The document as qpdf has it, nothing in its page tree repaired; None if qpdf cannot open it."""
    large = file.size > _LARGEST_MAPPED_BYTES
    access = pikepdf.AccessMode.stream if large else pikepdf.AccessMode.default
    with contextlib.ExitStack() as stack:
        reader = stack.enter_context(file.reader())
        try:
            pdf = pikepdf.open(reader, suppress_warnings=True, inherit_page_attributes=False, access_mode=access)
        except (pikepdf.PdfError, RuntimeError, ValueError):
            yield None
            return
        yield stack.enter_context(pdf)


def _walked(pdf: pikepdf.Pdf | None) -> page_tree.PageTree | None:
    """The page tree; None if qpdf cannot read it."""
    try:
        return page_tree.walk(pdf) if pdf else None
    except (pikepdf.PdfError, RuntimeError, ValueError):
        return None


def _written(pdf: pikepdf.Pdf, tree: page_tree.PageTree, copy: PdfFile | None) -> PdfFile | None:
    """Write a copy with a page tree that is right; None if that fails, or PDFium does not load all its pages."""
    if copy is None:
        raise _no_room("it cannot be created")
    try:
        page_tree.write_flat(pdf, tree, copy)
    except (pikepdf.PdfError, RuntimeError):
        return None
    except OSError as error:
        raise _no_room(error.strerror or str(error)) from error
    try:
        with contextlib.closing(open_document(copy)) as document:
            return copy if len(document) == len(tree.leaves) else None
    except DocumentUnreadable:
        return None


def _no_room(why: str) -> DocumentUnreadable:
    return DocumentUnreadable(
        f"its page tree is damaged, and no repaired copy can be written to the temporary folder: {why}; free some "
        "space there, or set TMPDIR to another folder"
    )


def _last_page(document: pdfium.PdfDocument, pages: int) -> int:
    """The last page that PDFium can load; 0 if it loads none. Where many in a row do not load, it looks no further."""
    last = 0
    for number in (pages, *range(1, pages)):
        if number > 1 and number != pages and number - last > _LARGEST_GAP:
            break
        with contextlib.suppress(pdfium.PdfiumError):
            document[number - 1].close()
            if number == pages:
                return pages
            last = number
    return last
