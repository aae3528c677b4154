"""Page trees that say something else than they have: the pages that exist are read, and the difference is a finding."""

from __future__ import annotations

from pathlib import Path

import pikepdf
import pypdfium2 as pdfium
import pytest

from pagemill.domain.pages.model import CountedPdf
from pagemill.errors import DocumentUnreadable
from tests import hostile_pdfs, in_process
from tests.raw_pdfs import kids, lettered, raw, write_raw

FAULTY = Path(__file__).parents[1] / "faulty_inputs"
CANARIES = Path(__file__).parents[2] / "src/pagemill/canary"
SAMPLES = Path(__file__).parents[1] / "samples"


def _counted(path: Path, tmp_path: Path) -> CountedPdf:
    copy = tmp_path / "copy.pdf"
    copy.unlink(missing_ok=True)
    return in_process.counted(path, copy)


def _texts(counted: CountedPdf) -> list[str]:
    """The first line of each page, as PDFium has it."""
    with pdfium.PdfDocument(counted.path) as document:
        return [document[index].get_textpage().get_text_bounded().splitlines()[0] for index in range(counted.pages)]


@pytest.mark.parametrize(
    ("name", "pages", "finding"),
    [
        ("b1-count-too-small", 3, "/Count says 1 page, the page tree has 3"),
        ("b2-count-too-large", 3, "/Count says 5 pages, the page tree has 3"),
        ("b3b-null-kid-right-count", 3, "the page tree lists 4 pages, 1 of them missing"),
        ("b4-count-too-small-nested", 4, "/Count says 2 pages, the page tree has 4"),
    ],
)
def test_the_pages_that_exist_are_read_in_their_order(tmp_path: Path, name: str, pages: int, finding: str) -> None:
    counted = _counted(FAULTY / f"{name}.pdf", tmp_path)

    assert counted.findings == (finding,)
    assert _texts(counted) == [f"PAGE {number} of {pages}" for number in range(1, pages + 1)]


TEXTS = [f"The text of page {number}" for number in (1, 2, 3)]
_NODE = b"<</Type/Pages/Count %d/Kids[%s]>>"
_BARE = b"<</Type/Page/Parent 2 0 R/Contents %d 0 R>>"
_ROOT_WITH_RESOURCES = b"<</Type/Pages/Count 1/Kids[%s]/MediaBox[0 0 595 842]/Resources<</Font<</F1 3 0 R>>>>>>"

# The root of the tree, other objects, and what is said about it.
VARIANTS: dict[str, tuple[bytes, dict[int, bytes], tuple[str, ...]]] = {
    "zero": (_NODE % (0, kids(3)), {}, ("/Count says 0 pages, the page tree has 3",)),
    "negative": (_NODE % (-2, kids(3)), {}, ("/Count says -2 pages, the page tree has 3",)),
    "sixty thousand": (_NODE % (60_000, kids(3)), {}, ("/Count says 60000 pages, the page tree has 3",)),
    "beyond 31 bits": (_NODE % (2**31, kids(3)), {}, (f"/Count says {2**31} pages, the page tree has 3",)),
    "no count": (b"<</Type/Pages/Kids[%s]>>" % kids(3), {}, ()),
    "count in another object": (b"<</Type/Pages/Count 90 0 R/Kids[%s]>>" % kids(3), {90: b"3"}, ()),
    "entries that are no pages": (
        _NODE % (3, b"10 0 R 3 0 R null 99 0 R 12 0 R (text) 14 0 R"),
        {},
        ("the page tree lists 7 pages, 4 of them missing",),
    ),
    "wrong counts below the root": (
        _NODE % (3, b"90 0 R 91 0 R"),
        {90: _NODE % (7, b"10 0 R"), 91: _NODE % (1, b"12 0 R 14 0 R")},
        (),
    ),
    "inside itself": (_NODE % (3, b"2 0 R " + kids(3)), {}, ("the page tree repeats 1 branch; each is read once",)),
    "a longer cycle": (
        _NODE % (3, b"90 0 R 12 0 R 14 0 R"),
        {90: _NODE % (1, b"10 0 R 91 0 R"), 91: _NODE % (1, b"90 0 R")},
        ("the page tree repeats 1 branch; each is read once",),
    ),
    "a branch twice": (
        _NODE % (6, b"90 0 R 90 0 R"),
        {90: _NODE % (3, kids(3))},
        ("/Count says 6 pages, the page tree has 3", "the page tree repeats 1 branch; each is read once"),
    ),
    "inherited entries": (
        _ROOT_WITH_RESOURCES % kids(3),
        {10: _BARE % 11, 12: _BARE % 13, 14: _BARE % 15},
        ("/Count says 1 page, the page tree has 3",),
    ),
    "the catalog names a branch": (
        _NODE % (3, b"90 0 R 12 0 R 14 0 R"),
        {1: b"<</Type/Catalog/Pages 90 0 R>>", 90: b"<</Type/Pages/Count 1/Parent 2 0 R/Kids[10 0 R]>>"},
        ("the file says 1 page, the page tree has 3",),
    ),
    "a page twice": (_NODE % (4, kids(3) + b" 10 0 R"), {}, ()),
    "an empty branch": (_NODE % (3, b"90 0 R " + kids(3)), {90: b"<</Type/Pages/Count 0/Kids[]>>"}, ()),
    "pages without a type": (
        _NODE % (2, kids(3)),
        {12: b"<</Parent 2 0 R/MediaBox[0 0 595 842]/Contents 13 0 R/Resources<</Font<</F1 3 0 R>>>>>>"},
        ("/Count says 2 pages, the page tree has 3",),
    ),
    "deeper than PDFium goes": (
        _NODE % (3, b"1000 0 R"),
        {number: _NODE % (3, b"%d 0 R" % (number + 1) if number < 2999 else kids(3)) for number in range(1000, 3000)},
        (),
    ),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_of_wrong_trees_give_the_pages_that_exist(tmp_path: Path, variant: str) -> None:
    tree, others, findings = VARIANTS[variant]
    counted = _counted(write_raw(tmp_path / "a.pdf", lettered(TEXTS, tree=tree) | others), tmp_path)

    assert counted.findings == findings
    assert _texts(counted) == ([*TEXTS, TEXTS[0]] if variant == "a page twice" else TEXTS)


def test_a_wrong_count_in_an_encrypted_file_with_compressed_objects_is_read_as_well(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "a.pdf", lettered(TEXTS))
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        streams = pikepdf.ObjectStreamMode.disable
        pdf.save(path, encryption=pikepdf.Encryption(owner="owner", user=""), object_stream_mode=streams)
    path.write_bytes(path.read_bytes().replace(b"/Count 3", b"/Count 1"))

    counted = _counted(path, tmp_path)

    assert counted.findings == ("/Count says 1 page, the page tree has 3",)
    assert _texts(counted) == TEXTS


def test_a_count_without_any_page_is_no_document(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "a.pdf", lettered(TEXTS, tree=_NODE % (60_000, b"99 0 R")))

    with pytest.raises(DocumentUnreadable, match="no pages, or none that can be found"):
        _counted(path, tmp_path)


_WHOLE = raw(lettered(TEXTS))


@pytest.mark.parametrize(
    "damaged",
    [
        _WHOLE[: _WHOLE.index(b"trailer")],
        _WHOLE[: _WHOLE.index(b"xref") + 60],
        _WHOLE.replace(b" 00000 n", b" 0x000 n"),
        _WHOLE.replace(b"/Size 16", b"/Size 1"),
    ],
    ids=["no trailer", "half a table", "unreadable table", "size too small"],
)
def test_files_that_pdfium_or_qpdf_rebuild_are_read(tmp_path: Path, damaged: bytes) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(damaged)

    assert _texts(_counted(path, tmp_path)) == TEXTS


def test_a_file_that_was_cut_off_says_so_and_a_page_without_its_contents_is_not_blank(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(_WHOLE[: _WHOLE.index(b"\nendstream", -600)])

    counted = _counted(path, tmp_path)

    assert counted.findings == (
        "the file's structure is damaged and was rebuilt: pages may be missing",
        "the file is cut off, or its end is damaged: it has no end mark",
    )
    with pikepdf.open(counted.path) as pdf:
        filters = [page.Contents.get("/Filter") for page in pdf.pages]
    assert filters == [None, None, "/LostContents"]


@pytest.mark.parametrize("tree", [b"<</Type/Pages/Count 3/Sids[10 0 R]>>", b"[10 0 R]"])
def test_a_document_without_a_page_tree_is_refused(tmp_path: Path, tree: bytes) -> None:
    path = write_raw(tmp_path / "a.pdf", lettered(TEXTS, tree=tree))

    with pytest.raises(DocumentUnreadable, match=r"no pages, or none that can be found|no readable PDF structure"):
        _counted(path, tmp_path)


@pytest.mark.parametrize("path", sorted([*SAMPLES.glob("*.pdf"), *CANARIES.glob("*.pdf")]), ids=lambda path: path.stem)
def test_a_healthy_file_has_no_finding_and_no_copy(tmp_path: Path, path: Path) -> None:
    counted = _counted(path, tmp_path)

    assert (counted.path, counted.findings) == (path, ())


def test_ten_thousand_pages_are_counted_without_a_copy(tmp_path: Path) -> None:
    hostile_pdfs.ten_thousand_pages(tmp_path / "long.pdf")

    assert _counted(tmp_path / "long.pdf", tmp_path) == CountedPdf(tmp_path / "long.pdf", 10_000)
