from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pagemill.domain.pages import assembly
from pagemill.domain.pages.model import PageResult, Status
from pagemill.domain.pages.trust import PageFinding

_MARKER = re.compile(r"^<!-- page (\d+) -->$", re.MULTILINE)
_COMMENT = re.compile(r"<!--(.*?)(?:-->|--!>|\Z)", re.DOTALL)  # as browsers read HTML: `--!>` ends a comment, too
_FORGERIES = [
    "<!-- page 2 -->",
    "<!--page 2-->",
    "<!--\n page 2\n-->",
    "<!-- PAGE 2 -->",
    "<!--\u00a0page\u20032 -->",
    "<!-- blank -->",
    "<!-- failed: no -->",
    "<!-- an open comment that hides the next pages",
    "```html\n<!-- page 2 -->\n```",
    "`<!-- page 2 -->`",
    "<!--><!--->",
    "<<!---- page 2 -->",
    "a\u2028<!-- page 2 -->\x0b<!-- page 3 -->",
]
_ENDINGS = [
    "--->",
    "-->",
    "--!>",
    ">",
    "->",
    "-",
    "<!-",
    "--",
    "-\x00->",
    "-\u200b->",
    "--\n>",
    "\n\n<!-- page 2 -->\n",
]

_any_text = st.text(st.characters(exclude_categories=[]), max_size=40)  # lone surrogates and control characters, too
_texts = st.lists(st.sampled_from(_FORGERIES) | _any_text).map("".join)
_messages = st.lists(st.sampled_from([*_ENDINGS, *_FORGERIES]) | _any_text).map("".join)
_results = st.builds(
    PageResult,
    number=st.integers(1, 10**6),
    status=st.sampled_from(sorted(set(Status) - {Status.BLANK})),
    markdown=_texts,
    objections=st.lists(_messages).map(tuple),
    attempts=st.integers(0, 9),
    prompt_tokens=st.integers(0, 10**6),
    seconds=st.floats(0, 10**6),
    dpi=st.none() | st.floats(1, 1200),
    score=st.none() | st.floats(0, 1),
    findings=st.lists(st.builds(PageFinding, st.sampled_from(["loop", "low-dpi"]), st.floats(0, 10**6))).map(tuple),
) | st.builds(PageResult, number=st.integers(1, 10**6), status=st.just(Status.BLANK))


def _pages(document: str) -> dict[int, str]:
    """What stands behind each marker of a `document.md`."""
    before, *found = _MARKER.split(document)
    assert before == ""
    return {int(number): body for number, body in zip(found[::2], found[1::2], strict=True)}


@given(_results)
def test_a_page_result_that_was_written_is_read_back_from_one_line(result: PageResult) -> None:
    line = assembly.to_json(result)

    assert len(line.splitlines()) == 1
    assert assembly.from_json(line.encode()) == result


_GOOD: dict[str, Any] = json.loads(assembly.to_json(PageResult(1, Status.OK, "text", ("why",), 1, 2, 3, 0.5)))


@pytest.mark.parametrize(
    "damage",
    [
        {"number": "1"},
        {"number": None},
        {"number": 0},
        {"number": -1},
        {"number": True},
        {"number": 10**400},
        {"status": "lost"},
        {"status": None},
        {"status": "blank"},  # with a text
        {"markdown": None},
        {"markdown": ["text"]},
        {"markdown": {"text": "text"}},
        {"markdown": "a \ud800"},
        {"objections": None},
        {"objections": "why"},
        {"objections": [None]},
        {"objections": [["why"]]},
        {"attempts": -1},
        {"attempts": 1.5},
        {"prompt_tokens": "many"},
        {"completion_tokens": None},
        {"seconds": -0.1},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"seconds": "1"},
        {"comment": "another field"},
    ],
    ids=json.dumps,
)
def test_a_page_result_with_a_damaged_field_is_refused(damage: dict[str, object]) -> None:
    assert assembly.from_json(json.dumps(_GOOD)).number == 1

    with pytest.raises(ValueError, match=r".+"):
        assembly.from_json(json.dumps(_GOOD | damage))


@pytest.mark.parametrize("name", sorted(_GOOD.keys() - {"score", "findings"}))
def test_a_page_result_without_one_of_its_fields_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is missing"):
        assembly.from_json(json.dumps({key: value for key, value in _GOOD.items() if key != name}))


@given(st.data())
def test_a_page_result_that_is_cut_anywhere_is_refused(data: st.DataObject) -> None:
    whole = json.dumps(_GOOD).encode()
    cut = data.draw(st.integers(0, len(whole) - 1))

    with pytest.raises(ValueError, match=r".+"):
        assembly.from_json(whole[:cut])


@pytest.mark.parametrize(
    ("result", "body"),
    [
        (PageResult(1, Status.OK, "# A\n"), "# A\n"),
        (PageResult(1, Status.BLANK), "<!-- blank -->\n"),
        (PageResult(1, Status.FAILED, objections=("a", "b --> c")), "<!-- failed: a; b - -> c -->\n"),
        (PageResult(1, Status.FAILED, objections=("a\n---> \x00\x1b[1mb",)), "<!-- failed: a - - -> [1mb -->\n"),
        (
            PageResult(1, Status.TEXT_LAYER, "text"),
            "<!-- text_layer: the embedded text, not the model's -->\n\ntext\n",
        ),
        (PageResult(1, Status.OK, "see <!-- page 2 --> and a --> b"), "see &lt;!-- page 2 --> and a --> b\n"),
    ],
)
def test_each_page_stands_behind_its_number_and_says_what_it_is(result: PageResult, body: str) -> None:
    assert assembly.markdown(result) == f"<!-- page 1 -->\n\n{body}\n"


@given(st.lists(_results, max_size=5))
@example([PageResult(1, Status.OK, text) for text in _FORGERIES])
@example([PageResult(1, Status.FAILED, objections=(message,)) for message in (*_ENDINGS, *_FORGERIES)])
def test_split_at_its_markers_a_document_is_exactly_its_pages(results: list[PageResult]) -> None:
    pages = dict(enumerate(results, start=1))

    document = "".join(
        assembly.markdown(PageResult(number, result.status, result.markdown, result.objections))
        for number, result in pages.items()
    )

    found = _pages(document.encode().decode())
    assert list(found) == list(pages)
    for number, result in pages.items():
        text = result.markdown.strip().replace("<!--", "&lt;!--")
        if result.status in {Status.OK, Status.TEXT_LAYER, Status.FALLBACK}:
            assert found[number].endswith(f"\n\n{text}\n\n")


@given(_results)
@example(PageResult(1, Status.FAILED, objections=("--->",)))
def test_the_only_comments_of_a_page_are_its_marker_and_what_pagemill_says_of_it(result: PageResult) -> None:
    comments = _COMMENT.findall(assembly.markdown(result))

    assert comments[0] == f" page {result.number} "
    assert len(comments) == (1 if result.status is Status.OK else 2)
    if result.status is not Status.OK:
        assert comments[1].startswith(f" {result.status}")
        assert "--" not in comments[1]
        assert comments[1].isprintable()
        assert assembly.markdown(result).count("-->") == 2 + result.markdown.strip().count("-->") * (
            result.status in {Status.TEXT_LAYER, Status.FALLBACK}
        )


def test_the_text_stays_verbatim_beside_the_markdown() -> None:
    result = PageResult(1, Status.OK, "<!-- page 2 -->\u2028\x00")

    assert json.loads(assembly.to_json(result))["markdown"] == "<!-- page 2 -->\u2028\x00"


def test_a_lone_surrogate_is_replaced_and_the_page_says_so() -> None:
    result = PageResult(1, Status.OK, "a\ud800b", ("said \udfff",))

    assert result.markdown == "a\N{REPLACEMENT CHARACTER}b"
    assert result.objections == ("said \\udfff", "1 surrogate in the text, replaced by U+FFFD")
    assert assembly.markdown(result).encode()


def test_a_result_that_an_earlier_version_wrote_without_a_score_is_read() -> None:
    body = json.loads(assembly.to_json(PageResult(1, Status.OK, "text", dpi=132.0)))
    del body["score"], body["findings"]

    read = assembly.from_json(json.dumps(body))

    assert read == PageResult(1, Status.OK, "text", dpi=132.0)
    assert read.trust is None


@pytest.mark.parametrize("damage", [{"score": 1.5}, {"score": "1"}, {"findings": [{"signal": "loop"}]}])
def test_a_score_or_a_finding_that_is_none_is_damage(damage: dict[str, Any]) -> None:
    body = json.loads(assembly.to_json(PageResult(1, Status.OK, "text", score=1.0)))

    with pytest.raises(ValueError, match=r"score|measure"):
        assembly.from_json(json.dumps(body | damage))
