from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagemill.domain.pages import assembly
from pagemill.domain.pages.model import PageResult, Status

_RESULTS = st.builds(
    PageResult,
    number=st.integers(1, 10**6),
    status=st.sampled_from(Status),
    markdown=st.text(),
    objections=st.lists(st.text()).map(tuple),
    attempts=st.integers(0, 9),
)


@given(_RESULTS)
def test_a_page_result_that_was_written_is_read_back_from_one_line(result: PageResult) -> None:
    line = assembly.to_json(result)

    assert line.count("\n") == 1
    assert assembly.from_json(line) == result


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b"{}", b'{"number": 1, "status": "lost", "objections": []}'])
def test_a_damaged_page_result_is_refused(damaged: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        assembly.from_json(damaged)


@pytest.mark.parametrize(
    ("result", "body"),
    [
        (PageResult(1, Status.OK, "# A\n"), "# A\n"),
        (PageResult(1, Status.BLANK), "<!-- blank -->\n"),
        (PageResult(1, Status.FAILED, objections=("a", "b --> c")), "<!-- failed: a; b - -> c -->\n"),
        (
            PageResult(1, Status.TEXT_LAYER, "text"),
            "<!-- text_layer: the embedded text, not the model's -->\n\ntext\n",
        ),
    ],
)
def test_each_page_follows_its_marker_and_says_its_status(result: PageResult, body: str) -> None:
    assert assembly.markdown(result) == f"<!-- page 1 -->\n\n{body}\n"
