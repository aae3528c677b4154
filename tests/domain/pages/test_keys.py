from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagemill.domain.pages import keys
from pagemill.domain.pages.model import Document, Recipe

_NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("a/b c.pdf", "a/b c.pdf"),
        ("Größe #1.pdf", "Größe #1.pdf"),
        ("../../etc/passwd", "%2E%2E/%2E%2E/etc/passwd"),
        ("/etc/passwd", "%2F/etc/passwd"),
        ("a//b.pdf", "a/%2F/b.pdf"),
        ("a/./b.pdf", "a/%2E/b.pdf"),
        ("a\x00\n\\b.pdf", "a%00%0A%5Cb.pdf"),
        ("100%2F.pdf", "100%252F.pdf"),
        ("a.pdf/document.md/b.pdf", "a.pdf/%64ocument.md/b.pdf"),
        ("_runs/1/summary.json", "%5Fruns/1/summary.json"),
        ("a.pdf/pages/0123456789ab-0123456789ab/b.pdf", "a.pdf/pages/%30123456789ab-0123456789ab/b.pdf"),
    ],
)
def test_hostile_names_become_harmless_folders(name: str, folder: str) -> None:
    assert keys.document_folder(name) == folder


@given(_NAMES)
def test_every_name_becomes_a_relative_path_that_any_file_system_takes(name: str) -> None:
    segments = keys.document_folder(name).split("/")

    assert not {"", ".", ".."} & set(segments)
    assert all(len(segment.encode()) <= 200 for segment in segments)
    assert not any(character in segment for segment in segments for character in "\x00\n\r\x7f\\")


@pytest.mark.parametrize("part", ["x", "é", "/", "../", "%/", "a/", "\x01"])
def test_the_longest_names_of_objects_become_folders_that_leave_room(part: str) -> None:
    name = part * (1019 // len(part.encode()))
    one, other = keys.document_folder(f"{name}1.pdf"), keys.document_folder(f"{name}2.pdf")

    assert one != other
    assert len(one.encode()) <= 700


def test_a_folder_that_is_cut_keeps_its_beginning() -> None:
    folder = keys.document_folder("scans/2024/" + "%/" * 500 + "a.pdf")

    assert folder.startswith("scans/2024/%25/%25/")
    assert re.fullmatch(r".*/%~[0-9a-f]{12}", folder)


@given(_NAMES, _NAMES)
def test_two_documents_never_share_a_folder(one: str, other: str) -> None:
    assert (keys.document_folder(one) == keys.document_folder(other)) == (one == other)


def test_checkpoints_name_version_recipe_and_page() -> None:
    document, recipe = Document("a.pdf", "v1", 10), Recipe("m")

    key = keys.checkpoint(document, recipe, 7)

    assert key.startswith(keys.checkpoints(document, recipe))
    assert key.endswith(f"-{recipe.id}/00007.json")
    assert keys.checkpoint_number(key) == 7
    assert key != keys.checkpoint(Document("a.pdf", "v2", 10), recipe, 7)
    assert key != keys.checkpoint(document, Recipe("other"), 7)


def test_pages_beyond_99999_keep_their_numbers() -> None:
    assert keys.checkpoint_number(keys.checkpoint(Document("a.pdf", "v", 1), Recipe("m"), 123456)) == 123456


def test_other_objects_are_no_checkpoints() -> None:
    assert keys.checkpoint_number("a.pdf/manifest.json") is None


@given(_NAMES, _NAMES)
def test_folders_are_folded_to_one_only_where_a_file_system_folds(one: str, other: str) -> None:
    def folded(name: str) -> str:
        return keys.folded(keys.document_folder(name), case=False, accents=False, ends=False)

    assert (folded(one) == folded(other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other", "folds"),
    [
        ("A.pdf", "a.PDF", {"case"}),
        ("Stra\u00dfe/1.pdf", "STRASSE/1.PDF", {"case"}),
        ("gr\u00f6.pdf", "gro\u0308.pdf", {"accents"}),
        ("GR\u00d6.pdf", "gro\u0308.pdf", {"accents", "case"}),
        ("\uac00.pdf", "\u1100\u1161.pdf", {"accents"}),
        ("a.pdf", "a.pdf. ", {"ends"}),
        ("sub/a.pdf", "sub./a.pdf", {"ends"}),
    ],
)
def test_names_that_a_file_system_does_not_tell_apart_fold_to_one(one: str, other: str, folds: set[str]) -> None:
    def folded(name: str, of: set[str]) -> str:
        return keys.folded(name, case="case" in of, accents="accents" in of, ends="ends" in of)

    assert folded(one, folds) == folded(other, folds)
    for missing in folds:
        assert folded(one, folds - {missing}) != folded(other, folds - {missing})
