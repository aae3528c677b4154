"""Page trees that say something else than they have: the pages that exist are read, and the difference is a finding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name

from pagemill.domain.pages.model import CountedPdf
from pagemill.errors import DocumentUnreadable
from pagemill.pdf.page import CountPages, PdfPages, RenderOptions, RenderPage
from tests import hostile_pdfs
from tests.pdfs import numbered_pdf

FAULTY = Path(__file__).parents[1] / "faulty_inputs"
CANARIES = Path(__file__).parents[2] / "src/pagemill/canary"
SAMPLES = Path(__file__).parents[1] / "samples"


def _counted(path: Path, tmp_path: Path) -> CountedPdf:
    counted = PdfPages(RenderOptions()).answer(CountPages(path, tmp_path / "copy.pdf"))
    assert isinstance(counted, CountedPdf)
    return counted


def _texts(counted: CountedPdf) -> list[str]:
    """The first line of each page, as a worker that has not counted reads it."""
    pages = PdfPages(RenderOptions(prefer_text=True))
    renderings = [pages.answer(RenderPage(counted.path, number)) for number in range(1, counted.pages + 1)]
    return [rendering.text.splitlines()[0] for rendering in renderings]  # type: ignore[union-attr]


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


Change = Callable[[pikepdf.Pdf], object]


def _tree(change: Change, path: Path, pages: int = 3) -> Path:
    numbered_pdf(path, pages)
    with pikepdf.open(path, allow_overwriting_input=True, inherit_page_attributes=False) as pdf:
        change(pdf)
        pdf.save(path)
    return path


def _null_kid_and_right_count(pdf: pikepdf.Pdf) -> None:
    pdf.Root.Pages.Kids.insert(1, pdf.make_indirect(Dictionary(Type=Name.Font)))
    pdf.Root.Pages.Kids.append(pikepdf.Object.parse(b"99 0 R", pdf))


def _counts_below_the_root(pdf: pikepdf.Pdf) -> None:
    kids = list(pdf.Root.Pages.Kids)
    nodes = [pdf.make_indirect(Dictionary(Type=Name.Pages, Count=7, Kids=Array([kid]))) for kid in kids]
    pdf.Root.Pages.Kids = Array(nodes)


def _linked_to_itself(pdf: pikepdf.Pdf) -> None:
    pdf.Root.Pages.Kids.insert(0, pdf.Root.Pages)


def _branch_twice(pdf: pikepdf.Pdf) -> None:
    kids = list(pdf.Root.Pages.Kids)
    node = pdf.make_indirect(Dictionary(Type=Name.Pages, Count=3, Kids=Array(kids)))
    pdf.Root.Pages.Kids = Array([node, node])
    pdf.Root.Pages.Count = 6


def _inherited_box_and_wrong_count(pdf: pikepdf.Pdf) -> None:
    for kid in pdf.Root.Pages.Kids:
        del kid["/MediaBox"]
        pdf.Root.Pages.Resources = kid.Resources
        del kid["/Resources"]
    pdf.Root.Pages.MediaBox = Array([0, 0, 300, 842])
    pdf.Root.Pages.Count = 1


def _catalog_names_a_branch(pdf: pikepdf.Pdf) -> None:
    kids = list(pdf.Root.Pages.Kids)
    root = pdf.Root.Pages
    node = pdf.make_indirect(Dictionary(Type=Name.Pages, Count=1, Parent=root, Kids=Array(kids[:1])))
    root.Kids = Array([node, *kids[1:]])
    pdf.Root.Pages = node


@pytest.mark.parametrize(
    ("change", "findings"),
    [
        (lambda pdf: setattr(pdf.Root.Pages, "Count", 0), ("/Count says 0 pages, the page tree has 3",)),
        (lambda pdf: setattr(pdf.Root.Pages, "Count", -2), ("/Count says -2 pages, the page tree has 3",)),
        (lambda pdf: setattr(pdf.Root.Pages, "Count", 60_000), ("/Count says 60000 pages, the page tree has 3",)),
        (lambda pdf: setattr(pdf.Root.Pages, "Count", 2**31), (f"/Count says {2**31} pages, the page tree has 3",)),
        (lambda pdf: pdf.Root.Pages.__delitem__("/Count"), ()),
        (_null_kid_and_right_count, ("the page tree lists 5 pages, 2 of them missing",)),
        (_counts_below_the_root, ()),
        (_linked_to_itself, ("the page tree repeats 1 branch; each is read once",)),
        (_branch_twice, ("/Count says 6 pages, the page tree has 3", "the page tree repeats 1 branch; each is read once")),
        (_inherited_box_and_wrong_count, ("/Count says 1 page, the page tree has 3",)),
        (_catalog_names_a_branch, None),
    ],
)
def test_variants_of_wrong_trees_give_the_pages_that_exist(
    tmp_path: Path, change: Change, findings: tuple[str, ...] | None
) -> None:
    counted = _counted(_tree(change, tmp_path / "a.pdf"), tmp_path)

    assert findings is None or counted.findings == findings
    assert _texts(counted) == [f"a: page {number}" for number in (1, 2, 3)]


def test_a_wrong_count_in_an_encrypted_file_with_compressed_objects_is_read_as_well(tmp_path: Path) -> None:
    path = _tree(lambda pdf: setattr(pdf.Root.Pages, "Count", 1), tmp_path / "a.pdf")
    with pikepdf.open(path, allow_overwriting_input=True, inherit_page_attributes=False) as pdf:
        streams = pikepdf.ObjectStreamMode.generate
        pdf.save(path, encryption=pikepdf.Encryption(owner="owner", user=""), object_stream_mode=streams)

    assert _texts(_counted(path, tmp_path)) == ["a: page 1", "a: page 2", "a: page 3"]


def test_a_tree_deeper_than_pdfium_goes_is_read(tmp_path: Path) -> None:
    def deep(pdf: pikepdf.Pdf) -> None:
        kids = pdf.Root.Pages.Kids
        for _ in range(3000):
            node = pdf.make_indirect(Dictionary(Type=Name.Pages, Count=3, Kids=kids))
            kids = Array([node])
        pdf.Root.Pages.Kids = kids

    assert _texts(_counted(_tree(deep, tmp_path / "a.pdf"), tmp_path)) == ["a: page 1", "a: page 2", "a: page 3"]


def test_a_count_without_any_page_is_no_document(tmp_path: Path) -> None:
    def empty(pdf: pikepdf.Pdf) -> None:
        pdf.Root.Pages.Kids = Array([pikepdf.Object.parse(b"99 0 R", pdf)])
        pdf.Root.Pages.Count = 60_000

    path = _tree(empty, tmp_path / "a.pdf")

    with pytest.raises(DocumentUnreadable, match="no pages, or none that can be found"):
        _counted(path, tmp_path)


def test_a_file_without_a_usable_cross_reference_is_read_from_a_rebuilt_copy(tmp_path: Path) -> None:
    path = numbered_pdf(tmp_path / "a.pdf", 3)
    path.write_bytes(path.read_bytes().replace(b"/Root", b"/Toor"))

    counted = _counted(path, tmp_path)

    assert counted.findings
    assert _texts(counted) == ["a: page 1", "a: page 2", "a: page 3"]


@pytest.mark.parametrize("path", sorted([*SAMPLES.glob("*.pdf"), *CANARIES.glob("*.pdf")]), ids=lambda path: path.stem)
def test_a_healthy_file_has_no_finding_and_no_copy(tmp_path: Path, path: Path) -> None:
    counted = _counted(path, tmp_path)

    assert (counted.path, counted.findings) == (path, ())
    assert not (tmp_path / "copy.pdf").exists()


def test_ten_thousand_pages_are_counted_without_a_copy(tmp_path: Path) -> None:
    hostile_pdfs.ten_thousand_pages(tmp_path / "long.pdf")

    assert _counted(tmp_path / "long.pdf", tmp_path) == CountedPdf(tmp_path / "long.pdf", 10_000)
