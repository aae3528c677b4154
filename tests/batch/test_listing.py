from __future__ import annotations

from collections.abc import Iterator

import pytest

from pagemill.batch.listing import Listing
from pagemill.domain.pages.model import Document
from pagemill.errors import StoreUnusable


def _documents(count: int, error: Exception | None = None) -> Iterator[Document]:
    for number in range(count):
        yield Document(f"{number}.pdf", version="v", size_bytes=1)
    if error:
        raise error


def _all(listing: Listing, most: int) -> list[str]:
    keys: list[str] = []
    while portion := listing.portion(most):
        assert len(portion) <= most
        keys += [entry.key for entry in portion]
    return keys


@pytest.mark.parametrize("most", [1, 3, 100])
def test_portions_are_all_entries_in_their_order(most: int) -> None:
    assert _all(Listing(_documents(10)), most) == [f"{number}.pdf" for number in range(10)]


def test_no_more_entries_are_taken_than_wanted() -> None:
    entries = _documents(3)

    Listing(entries).portion(2)

    assert next(entries).key == "2.pdf"


def test_an_error_of_the_source_comes_after_the_entries_before_it() -> None:
    listing = Listing(_documents(2, StoreUnusable("the source is gone")))

    assert len(listing.portion(10)) == 2
    with pytest.raises(StoreUnusable, match="the source is gone"):
        listing.portion(10)
