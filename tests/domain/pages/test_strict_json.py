from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagemill.domain.pages import strict_json
from pagemill.domain.pages.strict_json import JsonObject

_GOOD = JsonObject(
    {"text": "ü", "count": 3, "amount": 0.5, "flag": True, "texts": ["a"], "object": {}, "objects": [{}], "null": None}
)


def test_fields_of_the_right_type_are_returned() -> None:
    assert (_GOOD.text("text"), _GOOD.count("count"), _GOOD.amount("amount")) == ("ü", 3, 0.5)
    assert (_GOOD.flag("flag"), _GOOD.texts("texts"), _GOOD.amount("count")) == (True, ("a",), 3.0)
    assert (_GOOD.text_or_none("null"), _GOOD.amount_or_none("null")) == (None, None)
    assert _GOOD.object("object").names == _GOOD.objects("objects")[0].names == []


@pytest.mark.parametrize(
    ("read", "fits"),
    [
        (JsonObject.text, {"text"}),
        (JsonObject.text_or_none, {"text", "null"}),
        (JsonObject.file_name, {"text"}),
        (JsonObject.count, {"count"}),
        (JsonObject.amount, {"amount", "count"}),
        (JsonObject.amount_or_none, {"amount", "count", "null"}),
        (JsonObject.flag, {"flag"}),
        (JsonObject.texts, {"texts"}),
        (JsonObject.object, {"object"}),
        (JsonObject.objects, {"objects"}),
    ],
)
def test_a_field_of_another_type_or_a_missing_one_is_named(
    read: Callable[[JsonObject, str], object], fits: set[str]
) -> None:
    for name in {*_GOOD.names, "missing"} - fits:
        with pytest.raises(ValueError, match=name):
            read(_GOOD, name)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "Expecting value"),
        (b'{"a": 1', "delimiter"),
        (b"[]", "no JSON object"),
        (b"null", "no JSON object"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":' * 100_000, "nested too deep"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": -Infinity}', "-Infinity is no number"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "digits"),
        (b'{"a": "\xff"}', "utf-8"),
        ('{"a": "x"}'.encode("utf-16"), "utf-8"),
        (b'{"a": "\xed\xa0\x80"}', "utf-8"),  # a surrogate in UTF-8
        (b'{"a": 1}{"a": 1}', "Extra data"),
        (bytes(100), "Expecting value"),
    ],
)
def test_a_text_that_is_no_json_object_is_refused_in_words(text: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        strict_json.parse(text)


@pytest.mark.parametrize(
    ("text", "read", "says"),
    [
        ('{"a": -1}', JsonObject.count, "not between 0"),
        (f'{{"a": {10**400}}}', JsonObject.count, "not between 0"),
        ('{"a": true}', JsonObject.count, "no whole number"),
        ('{"a": 1.0}', JsonObject.count, "no whole number"),
        ('{"a": 1e999}', JsonObject.amount, "not between 0"),
        (f'{{"a": {10**400}}}', JsonObject.amount, "not between 0"),
        ('{"a": -0.5}', JsonObject.amount, "not between 0"),
        (r'{"a": "\ud800"}', JsonObject.text, "no Unicode"),
        (r'{"a": ["x", "\udfff"]}', JsonObject.texts, "no Unicode"),
        (r'{"a": "\ud800"}', JsonObject.file_name, "no Unicode"),
    ],
)
def test_values_that_nobody_writes_are_refused(text: str, read: Callable[[JsonObject, str], object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read(strict_json.parse(text), "a")


def test_a_file_name_keeps_bytes_that_are_no_utf8() -> None:
    assert strict_json.parse(r'{"a": "gr\udcff"}').file_name("a") == "gr\udcff"


def test_a_field_that_nobody_writes_is_named() -> None:
    with pytest.raises(ValueError, match=r"unknown field 'inner\.b'"):
        strict_json.parse('{"inner": {"a": 1, "b": 2}}').object("inner").only("a")


@given(st.binary())
def test_any_bytes_are_parsed_or_refused_with_a_value_error(text: bytes) -> None:
    with contextlib.suppress(ValueError):
        strict_json.parse(text)
