from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pagemill.domain.uploads.gathering import Gathering
from pagemill.domain.uploads.lists import list_id, list_text, read_list
from pagemill.domain.uploads.notifications import PassedOver, Upload, Why, read_notification

_NAMES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1, max_size=8)
_TEXTS = st.text(min_size=1, max_size=8)
_UPLOADS = st.builds(Upload, st.sampled_from(["scans", "a.b-c_d"]), _NAMES, st.integers(1, 2**63))


def _attributes(**changed: str) -> dict[str, str]:
    known = {"eventType": "OBJECT_FINALIZE", "bucketId": "scans", "objectId": "a.pdf", "objectGeneration": "17"}
    return known | changed


@settings(max_examples=30)
@given(st.lists(_UPLOADS, unique=True, max_size=5))
def test_what_is_written_into_a_list_is_read_from_it(uploads: list[Upload]) -> None:
    assert list(read_list(list_text(uploads).encode())) == sorted(uploads)
    assert list_id(uploads) == list_id(uploads[::-1])


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(sorted(_attributes())), _TEXTS), st.binary(max_size=20))
def test_no_message_is_an_error(attributes: dict[str, str], data: bytes) -> None:
    for given_ in (attributes, _attributes() | attributes):
        assert isinstance(read_notification(given_, data), (Upload, PassedOver))


@settings(max_examples=50)
@given(_TEXTS)
def test_a_name_that_a_list_cannot_hold_is_passed_over(name: str) -> None:
    found = read_notification(_attributes(objectId=f"{name}.pdf"), b"")

    if isinstance(found, Upload):
        assert list(read_list(list_text([found]).encode())) == [found]
    else:
        assert "\n" in name or "\r" in name or found.why is Why.NO_PDF


def test_a_type_says_what_a_name_does_not() -> None:
    for name, data, is_pdf in (
        ("scan", b'{"contentType": "application/pdf"}', True),
        ("scan.txt", b'{"contentType": "application/pdf"}', False),
        ("scan", b'{"contentType": 7}', False),
        ("scan", b"[]", False),
        ("scan", b"", False),
        ("scan.pdf", b'{"contentType": "text/plain"}', True),
        (".hidden.pdf", b'{"contentType": "application/pdf"}', False),
    ):
        assert isinstance(read_notification(_attributes(objectId=name), data), Upload) == is_pdf


def test_what_is_no_generation_is_no_notification() -> None:
    for generation in ("", "-1", "x", "１７", "1.5"):
        found = read_notification(_attributes(objectGeneration=generation), b"")
        assert isinstance(found, PassedOver)
        assert found.why is Why.MALFORMED


@settings(max_examples=30)
@given(st.lists(st.tuples(_UPLOADS, st.integers().map(str)), max_size=8))
def test_gathering_keeps_every_message_and_of_each_object_the_newest_generation(
    messages: list[tuple[Upload, str]],
) -> None:
    gathering = Gathering()
    for upload, message in messages:
        gathering.add(upload, message)

    newest: dict[tuple[str, str], Upload] = {}
    for upload, _ in sorted(messages):
        newest[upload.bucket, upload.name] = upload
    assert sorted(upload for upload, _ in gathering) == sorted(newest.values())
    assert sorted(message for _, held in gathering for message in held) == sorted(message for _, message in messages)
