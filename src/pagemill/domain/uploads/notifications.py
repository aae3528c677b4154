"""Notifications of Cloud Storage, as Pub/Sub delivers them: which of them name an upload of a PDF."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pagemill.domain.pages.matching import is_pdf_object
from pagemill.domain.wording import shown

_UPLOADED = "OBJECT_FINALIZE"  # also sent when an object is copied, rewritten or restored
_LONGEST_NAME_BYTES = 1024
_NO_NAME = {".", ".."}


@dataclass(frozen=True, slots=True)
class Message:
    """A message as a subscription delivers it."""

    id: str
    ack_id: str  # of this delivery
    attributes: Mapping[str, str]
    data: bytes
    may_be_dead_lettered: bool  # whether the subscription sends on what is not acknowledged after some deliveries


@dataclass(frozen=True, slots=True, order=True)
class Upload:
    """One generation of an object."""

    bucket: str
    name: str
    generation: int

    @property
    def location(self) -> str:
        """The object as gs://BUCKET/OBJECT."""
        return f"gs://{self.bucket}/{self.name}"


class Why(StrEnum):
    """Why no run reads what a message is about."""

    NO_PDF = "no PDF"
    NO_UPLOAD = "no upload"
    OTHER_BUCKET = "of another bucket"
    MALFORMED = "no notification of Cloud Storage"


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A message that no run comes of."""

    why: Why
    what: str  # for people: the object, or what is wrong with the message


def read_notification(attributes: Mapping[str, str], data: bytes, *, bucket: str = "") -> Upload | PassedOver:
    """Tell what a message says.

    Args:
        attributes: Of the message. Cloud Storage writes all that counts into them.
        data: Of the message: the object's metadata as JSON, or nothing.
        bucket: Uploads to any other one are passed over; empty: to none.
    """
    event, of, name = attributes.get("eventType"), attributes.get("bucketId"), attributes.get("objectId")
    generation = attributes.get("objectGeneration", "")
    if not (event and of and name and generation.isascii() and generation.isdigit()):
        return PassedOver(Why.MALFORMED, "eventType, bucketId, objectId and objectGeneration are not all there")
    what = shown(f"gs://{of}/{name}")
    if event != _UPLOADED:
        return PassedOver(Why.NO_UPLOAD, f"{what} ({shown(event)})")
    if bucket and of != bucket:
        return PassedOver(Why.OTHER_BUCKET, what)
    if problem := _problem(of, name):
        return PassedOver(Why.MALFORMED, f"{what}: {problem}")
    if not is_pdf_object(name, _content_type(data)):
        return PassedOver(Why.NO_PDF, what)
    return Upload(of, name, int(generation))


def _problem(bucket: str, name: str) -> str:
    """Why a list cannot name an object; empty for every object that there can be."""
    if "/" in bucket or "\n" in bucket + name or "\r" in bucket + name or name in _NO_NAME:
        return "no object has such a name"
    try:
        return "no object has such a long name" if len(name.encode()) > _LONGEST_NAME_BYTES else ""
    except UnicodeEncodeError:
        return "the name is not UTF-8"


def _content_type(data: bytes) -> str:
    """The object's type; empty where the notification does not carry it."""
    try:
        metadata = json.loads(data)
    except (ValueError, RecursionError):
        return ""
    found = metadata.get("contentType") if isinstance(metadata, dict) else None
    return found if isinstance(found, str) else ""
