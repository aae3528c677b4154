"""What is wrong with a document as a whole: a missing end, embedded files, encryption; and the cures in messages."""

from __future__ import annotations

import re
import shlex
import tempfile
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from pagemill.domain.pages.model import CountedPdf
from pagemill.errors import DocumentUnreadable
from tests import hostile_pdfs
from tests.in_process import counted
from tests.raw_pdfs import lettered, raw, stream, write_raw

FAULTY = Path(__file__).parents[1] / "faulty_inputs"
TEXTS = [f"The text of page {number}" for number in (1, 2, 3)]
WHOLE = raw(lettered(TEXTS))
UPDATE = b"11 0 obj\n" + stream(b"BT /F1 24 Tf 72 420 Td (The revised text) Tj ET") + b"\nendobj\n"
XREF = b"xref\n11 1\n%010d 00000 n \ntrailer\n<</Size 16/Root 1 0 R/Prev %d>>\nstartxref\n" % (
    len(WHOLE),
    WHOLE.index(b"xref"),
)


def _counted(path: Path) -> CountedPdf:
    with tempfile.TemporaryDirectory() as folder:
        return counted(path, Path(folder) / "copy.pdf")


def _findings(data: bytes, tmp_path: Path) -> tuple[str, ...]:
    path = tmp_path / "a.pdf"
    path.write_bytes(data)
    return _counted(path).findings


def test_an_update_that_is_cut_off_is_said() -> None:
    assert _counted(FAULTY / "incremental-cut.pdf").findings == (
        "incremental update cut off: an older revision is shown",
    )


@pytest.mark.parametrize(
    "rest", [UPDATE[:20], UPDATE, UPDATE + XREF[:30], UPDATE + XREF], ids=["object", "objects", "table", "no offset"]
)
def test_updates_that_are_cut_off_anywhere_are_said(tmp_path: Path, rest: bytes) -> None:
    (finding,) = _findings(WHOLE + rest, tmp_path)

    assert finding.startswith("incremental update cut off: an older revision")


@pytest.mark.parametrize(
    "rest", [b"", b"\n", bytes(5000), b"\r\n--boundary--\r\n", b"<!-- appended by a server 12 0 R -->" * 9]
)
def test_other_bytes_after_the_end_are_no_finding(tmp_path: Path, rest: bytes) -> None:
    assert _findings(WHOLE + rest, tmp_path) == ()


def test_an_update_that_is_whole_is_no_finding(tmp_path: Path) -> None:
    updated = WHOLE + UPDATE + XREF + b"%d\n%%%%EOF\n" % (len(WHOLE) + len(UPDATE))

    assert _findings(updated, tmp_path) == ()


def test_a_linearized_file_that_is_cut_off_says_how_much_is_there(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "a.pdf", lettered(TEXTS))
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        pdf.save(path, linearize=True)
    data = path.read_bytes()

    path.write_bytes(data[: len(data) - 400])

    assert f"the file is cut off: it has {len(data) - 400:,} of {len(data):,} bytes" in _reason(path)


def test_what_a_portfolio_holds_is_said_to_be_not_read() -> None:
    portfolio = _counted(FAULTY / "b12-portfolio.pdf")

    assert (portfolio.pages, portfolio.findings) == (1, ("2 embedded PDFs not read",))


def test_attachments_of_any_name_are_counted(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "a.pdf", lettered(TEXTS))
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        for name, mime_type in [("a.PDF", ""), ("b", "application/pdf"), ("c.xml", "text/xml")]:
            embedded: Any = pikepdf.AttachedFileSpec  # its stub asks for arguments that have defaults
            pdf.attachments[name] = embedded(pdf, b"data", filename=name, mime_type=mime_type)
        pdf.save(path)

    assert _counted(path).findings == ("2 embedded PDFs not read", "1 embedded file not read")


def _reason(path: Path) -> str:
    with pytest.raises(DocumentUnreadable) as error:
        _counted(path)
    return str(error.value)


def test_encryption_for_certificates_needs_a_certificate() -> None:
    reason = _reason(FAULTY / "pubsec.pdf")

    assert "needs a certificate" in reason
    assert "qpdf" not in reason


@pytest.mark.parametrize(
    ("encryption", "says"),
    [
        (b"/Encrypt<</Filter/Adobe.PubSec/V 4/SubFilter/adbe.pkcs7.s5>>", "needs a certificate"),
        (b"/Encrypt 90 0 R", "encrypted by FOPN_fLock, which only its own software opens"),
    ],
)
def test_other_kinds_of_encryption_are_named(tmp_path: Path, encryption: bytes, says: str) -> None:
    objects = lettered(TEXTS) | {90: b"<</Filter /FOPN_fLock /V 1>>"}
    path = write_raw(tmp_path / "a.pdf", objects, trailer=encryption + b"/ID[<00><00>]")

    reason = _reason(path)

    assert says in reason
    assert "password first" not in reason


def test_the_cure_for_a_password_makes_the_document_readable(tmp_path: Path) -> None:
    path, cured = tmp_path / "a.pdf", tmp_path / "cured.pdf"
    hostile_pdfs.encrypted(path)
    command = re.search(r"qpdf .*", _reason(path))
    assert command

    program, *options, source, target = shlex.split(command[0])
    assert (program, options, source, target) == ("qpdf", ["--decrypt", "--password=PASSWORD"], "IN.pdf", "OUT.pdf")
    with pikepdf.open(path, password="user") as pdf:  # noqa: S106 -- what this command does
        pdf.save(cured)

    assert _counted(cured) == CountedPdf(cured, 1)


def test_no_other_message_about_documents_names_a_command() -> None:
    folder = Path(__file__).parents[2] / "src/pagemill/pdf"
    lines = [line for path in folder.glob("*.py") for line in path.read_text().splitlines()]
    commands = [line for line in lines if re.search(r"qpdf (-|IN)", line)]

    assert len(commands) == 1
