"""Google Cloud Storage as far as the real client uses it.

Generations, preconditions, paging, ranges, checksums, uploads in one piece and in many, and faults on order. Nothing of
it outlives the process.
"""

from __future__ import annotations

import base64
import bisect
import hashlib
import itertools
import json
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import google_crc32c

from tests.fakes.loopback_server import LoopbackServer

_PAGE = 1000
_LONGEST_NAME = 1024  # bytes
_CHUNK = 256 * 1024  # all chunks of an upload except the last are multiples of it
_ROUTE = re.compile(r"/(?:(?P<via>upload|download)/)?storage/v1/b/(?P<bucket>[^/]+)(?P<objects>/o)?(?:/(?P<rest>.+))?")
_REASONS = {400: "invalid", 403: "forbidden", 404: "notFound", 412: "conditionNotMet", 429: "rateLimitExceeded"}


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request."""

    status: int = 0  # answer with this status
    headers: dict[str, str] = field(default_factory=dict)  # and with these headers: Retry-After
    reset: bool = False  # break the connection without an answer
    torn: bool = False  # do the request, and break the connection in the middle of the answer's body
    corrupted: bool = False  # send other bytes than the object's


@dataclass(frozen=True)
class _Object:
    data: bytes
    generation: int
    resource: dict[str, str]


@dataclass
class _Upload:
    key: str
    content_type: str
    conditions: dict[str, str]
    data: bytearray = field(default_factory=bytearray)
    done: _Object | None = None


class FakeGcs(LoopbackServer):
    """The service, on a free loopback port; `fault` decides about each request by its kind, bucket and object.

    Kinds: bucket, permissions, list, get, media, insert, resumable-start, resumable-put, delete.
    """

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.fault: Callable[[str, str, str], Fault | None] = lambda _kind, _bucket, _key: None
        # Permissions that testIamPermissions does not grant. Without the one to delete, no object is written over.
        self.denied: set[str] = set()
        self.denied_in: dict[str, set[str]] = {}  # the same, in one bucket
        self.buckets: dict[str, dict[str, _Object]] = {}
        self.uploads: dict[str, _Upload] = {}
        self.guard = threading.RLock()
        self._sorted: dict[str, list[str]] = {}  # the names of each bucket, until they change
        self._generations = itertools.count(1_700_000_000_000_001)
        super().__init__(type("_Mine", (_Handler,), {"fake": self}))

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def create_bucket(self, name: str) -> None:
        self.buckets[name] = {}

    def put(
        self,
        bucket: str,
        key: str,
        data: bytes,
        content_type: str = "application/pdf",
        content_encoding: str = "",
        *,
        created: datetime | None = None,
    ) -> int:
        """Write an object, its data as stored; return its generation."""
        with self.guard:
            generation = next(self._generations)
            link = f"{self.url}/download/storage/v1/b/{bucket}/o/{quote(key, safe='')}"
            written = (created or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            crc32c = google_crc32c.Checksum(data).digest()  # type: ignore[no-untyped-call]
            resource = {
                "bucket": bucket,
                "name": key,
                "generation": str(generation),
                "metageneration": "1",
                "size": str(len(data)),
                "contentType": content_type,
                "contentEncoding": content_encoding,
                "timeCreated": written,
                "updated": written,
                "crc32c": base64.b64encode(crc32c).decode(),
                "md5Hash": base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode(),
                "mediaLink": f"{link}?generation={generation}&alt=media",
            }
            if key not in self.buckets[bucket]:
                self._sorted.pop(bucket, None)
            self.buckets[bucket][key] = _Object(data, generation, resource)
            return generation

    def get(self, bucket: str, key: str) -> bytes | None:
        return self.buckets[bucket][key].data if key in self.buckets[bucket] else None

    def delete(self, bucket: str, key: str) -> None:
        with self.guard:
            self._sorted.pop(bucket, None)
            del self.buckets[bucket][key]

    def names(self, bucket: str, prefix: str, after: str, most: int, delimiter: str = "") -> list[str]:
        """Names that begin with a prefix and come after another one, in order; UTF-8 bytes sort like text.

        With a delimiter, those that have it after the prefix are left out; what they begin with is not listed either.
        """
        with self.guard:
            if bucket not in self._sorted:
                self._sorted[bucket] = sorted(self.buckets[bucket])
            ordered = self._sorted[bucket]
            begin = max(bisect.bisect_left(ordered, prefix), bisect.bisect_right(ordered, after))
            if not delimiter:
                return [name for name in ordered[begin : begin + most] if name.startswith(prefix)]
            below = itertools.takewhile(lambda name: name.startswith(prefix), itertools.islice(ordered, begin, None))
            return list(itertools.islice((name for name in below if delimiter not in name[len(prefix) :]), most))


class _Refused(Exception):
    """Status, message, and perhaps headers."""


class _Handler(BaseHTTPRequestHandler):
    fake: FakeGcs
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
        """Log nothing."""

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        self._body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        self._fault = Fault()
        acts = {"GET": self._get, "POST": self._post, "PUT": self._piece, "DELETE": self._delete}
        try:
            if route := _ROUTE.fullmatch(parts.path):
                acts[self.command](route, route["bucket"], unquote(route["rest"] or ""))
            else:
                self._error(404, f"no such path: {self.path}")
        except _Refused as refused:
            self._error(*refused.args)
        except ConnectionError:
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 -- the base class's names

    def _begin(self, kind: str, bucket: str, key: str = "") -> None:
        with self.fake.guard:
            self.fake.requests[kind] += 1
        self._fault = self.fake.fault(kind, bucket, key) or Fault()
        if self._fault.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise ConnectionResetError
        if self._fault.status:
            raise _Refused(self._fault.status, "on order", self._fault.headers)
        if len(key.encode()) > _LONGEST_NAME:
            raise _Refused(400, f"The specified object name is not valid: {len(key.encode())} bytes")
        if bucket not in self.fake.buckets:
            raise _Refused(404, "The specified bucket does not exist.")

    def _get(self, route: re.Match[str], bucket: str, key: str) -> None:
        if not route["objects"]:
            self._begin("permissions" if key else "bucket", bucket)
            asked = parse_qs(urlsplit(self.path).query).get("permissions", [])
            return self._json({"name": bucket, "permissions": [name for name in asked if self._may(bucket, name)]})
        if not key:
            return self._list(bucket)
        media = self._query.get("alt") == "media" or route["via"] == "download"
        self._begin("media" if media else "get", bucket, key)
        found = self._object(bucket, key)
        return self._media(found) if media else self._json(found.resource)

    def _list(self, bucket: str) -> None:
        self._begin("list", bucket)
        size = min(int(self._query.get("maxResults") or _PAGE), _PAGE)
        after = base64.urlsafe_b64decode(self._query.get("pageToken", "")).decode()
        with self.fake.guard:
            prefix, delimiter = self._query.get("prefix", ""), self._query.get("delimiter", "")
            names = self.fake.names(bucket, prefix, after, size + 1, delimiter)
            items = [self.fake.buckets[bucket][name].resource for name in names[:size]]
        fields = re.search(r"items\(([^)]*)\)", self._query.get("fields", ""))
        kept = fields[1].split(",") if fields else ()
        page: dict[str, Any] = {"items": [{k: v for k, v in item.items() if k in kept or not kept} for item in items]}
        if len(names) > size:
            page["nextPageToken"] = base64.urlsafe_b64encode(names[size - 1].encode()).decode()
        self._json(page)

    def _media(self, found: _Object) -> None:
        data = bytes(byte ^ 1 for byte in found.data) if self._fault.corrupted else found.data
        status, size = 200, len(data)
        headers = {
            "Content-Type": found.resource["contentType"],
            "Content-Encoding": found.resource["contentEncoding"] or "identity",
            "X-Goog-Hash": f"crc32c={found.resource['crc32c']},md5={found.resource['md5Hash']}",
            "X-Goog-Generation": str(found.generation),
            "X-Goog-Metageneration": "1",
            "X-Goog-Stored-Content-Length": str(size),
        }
        if part := self._range(size):
            headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
            status, data = 206, data[part.start : part.stop]
        self._send(status, data, headers)

    def _range(self, size: int) -> range | None:
        """The range of bytes that is requested; None: all."""
        if not (match := re.fullmatch(r"bytes=(?:(\d+)-(\d*)|-(\d+))", self.headers.get("Range") or "")):
            return None
        first = int(match[1]) if match[1] else max(size - int(match[3]), 0)
        if first >= size:
            raise _Refused(416, "Requested range not satisfiable", {"Content-Range": f"bytes */{size}"})
        return range(first, min(int(match[2] or size), size - 1) + 1) or None

    def _post(self, _: re.Match[str], bucket: str, __: str) -> None:
        kind, data = self._query.get("uploadType"), self._body
        type_ = self.headers.get("X-Upload-Content-Type" if kind == "resumable" else "Content-Type") or ""
        told = json.loads(data or b"{}") if kind == "resumable" else {}
        if kind == "multipart":
            boundary = b"--" + type_.partition("boundary=")[2].strip('"').encode()
            metadata, media = (part.partition(b"\r\n\r\n") for part in data.split(boundary)[1:-1])
            told, type_ = json.loads(metadata[2]), media[0].partition(b":")[2].strip().decode()
            data = media[2].removesuffix(b"\r\n")
        upload = _Upload(self._query.get("name") or told["name"], told.get("contentType") or type_, self._query)
        if kind == "resumable":
            return self._start(bucket, upload)
        self._begin("insert", bucket, upload.key)
        upload.data += data
        return self._json(self._store(bucket, upload).resource)

    def _start(self, bucket: str, upload: _Upload) -> None:
        self._begin("resumable-start", bucket, upload.key)
        with self.fake.guard:
            self._check(bucket, upload.key, upload.conditions)
            self.fake.uploads[id_ := str(len(self.fake.uploads))] = upload
        self._send(200, b"", {"Location": f"{self.fake.url}{urlsplit(self.path).path}?upload_id={id_}"})

    def _piece(self, _: re.Match[str], bucket: str, __: str) -> None:
        upload = self.fake.uploads.get(self._query.get("upload_id", ""))
        self._begin("resumable-put", bucket, upload.key if upload else "")
        if not upload:
            raise _Refused(404, "No such upload.")
        with self.fake.guard:
            done = upload.done or (self._store(bucket, upload) if self._append(upload.data) else None)
        if done:
            return self._json(done.resource)
        return self._send(308, b"", {"Range": f"bytes=0-{len(upload.data) - 1}"} if upload.data else {})

    def _append(self, data: bytearray) -> bool:
        """Add a chunk, without the bytes that are here already; return whether it was the last."""
        size = len(self._body)
        sent = self.headers.get("Content-Range") or f"bytes 0-{size - 1}/{size}"
        match = re.fullmatch(r"bytes (?:(\d+)-(-?\d+)|\*)/(\d+|\*)", sent)
        first, last = (int(match[1]), int(match[2])) if match and match[1] else (len(data), len(data) - 1)
        if not match or first > len(data) or last - first + 1 != size or (match[3] == "*" and size % _CHUNK):
            raise _Refused(400, f"{size} bytes after {len(data)} are not {sent}")
        data += self._body[len(data) - first :]
        return match[3] != "*" and len(data) == int(match[3])

    def _store(self, bucket: str, upload: _Upload) -> _Object:
        with self.fake.guard:
            if upload.key in self.fake.buckets[bucket]:
                self._check_may_delete(bucket)
            self._check(bucket, upload.key, upload.conditions)
            self.fake.put(bucket, upload.key, bytes(upload.data), upload.content_type)
            upload.done = self.fake.buckets[bucket][upload.key]
            return upload.done

    def _delete(self, _: re.Match[str], bucket: str, key: str) -> None:
        self._begin("delete", bucket, key)
        self._check_may_delete(bucket)
        with self.fake.guard:
            self._object(bucket, key)
            self.fake.delete(bucket, key)
        self._send(204, b"", {})

    def _may(self, bucket: str, permission: str) -> bool:
        return permission not in self.fake.denied | self.fake.denied_in.get(bucket, set())

    def _check_may_delete(self, bucket: str) -> None:
        if not self._may(bucket, "storage.objects.delete"):
            raise _Refused(403, "We do not have storage.objects.delete access to the Google Cloud Storage object.")

    def _object(self, bucket: str, key: str) -> _Object:
        found = self.fake.buckets[bucket].get(key)
        if not found or self._query.get("generation", str(found.generation)) != str(found.generation):
            raise _Refused(404, f"No such object: {bucket}/{key}")
        self._check(bucket, key, self._query)
        return found

    def _check(self, bucket: str, key: str, query: dict[str, str]) -> None:
        found = self.fake.buckets[bucket].get(key)
        wanted = query.get("ifGenerationMatch")
        if wanted is not None and int(wanted) != (found.generation if found else 0):
            raise _Refused(412, "At least one of the pre-conditions you specified did not hold.")

    def _error(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        told = {"message": message, "domain": "global", "reason": _REASONS.get(status, "backendError")}
        self._json({"error": {"code": status, "message": message, "errors": [told]}}, status, headers)

    def _json(self, body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self._fault.torn else body)
        self.close_connection = self.close_connection or self._fault.torn
