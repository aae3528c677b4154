"""Google Cloud Storage as far as the real client uses it.

Generations, preconditions, paging, ranges, checksums, uploads in one piece and in many, and faults on order. Nothing of
it outlives the process.
"""

from __future__ import annotations

import base64
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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import parse_qs, unquote, urlsplit

import google_crc32c

_PAGE = 1000
_ROUTE = re.compile(r"/(?:(?P<via>upload|download)/)?storage/v1/b/(?P<bucket>[^/]+)(?P<objects>/o)?(?:/(?P<rest>.+))?")


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request."""

    status: int = 0  # answer with this status
    headers: dict[str, str] = field(default_factory=dict)
    reset: bool = False  # break the connection without an answer
    torn: bool = False  # break it in the middle of a download
    corrupted: bool = False  # send other bytes than the object's


@dataclass(frozen=True)
class _Object:
    data: bytes
    generation: int
    content_type: str

    @property
    def crc32c(self) -> str:
        return base64.b64encode(google_crc32c.Checksum(self.data).digest()).decode()  # type: ignore[no-untyped-call]

    @property
    def md5(self) -> str:
        return base64.b64encode(hashlib.md5(self.data, usedforsecurity=False).digest()).decode()


class FakeGcs:
    """The service, on a free loopback port; `fault` decides about each request by its kind, bucket and object."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.fault: Callable[[str, str, str], Fault | None] = lambda _kind, _bucket, _key: None
        self.denied: set[str] = set()  # permissions that testIamPermissions does not grant
        self.buckets: dict[str, dict[str, _Object]] = {}
        self.uploads: dict[str, tuple[str, str, str, bytearray, dict[str, str]]] = {}
        self.guard = threading.RLock()
        self._generations = itertools.count(1_700_000_000_000_001)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.fake = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """For STORAGE_EMULATOR_HOST."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def create_bucket(self, name: str) -> None:
        """Make an empty bucket."""
        self.buckets[name] = {}

    def put(self, bucket: str, key: str, data: bytes, content_type: str = "application/pdf") -> int:
        """Write an object; return its generation."""
        with self.guard:
            generation = next(self._generations)
            self.buckets[bucket][key] = _Object(data, generation, content_type)
            return generation

    def get(self, bucket: str, key: str) -> bytes | None:
        """An object's bytes."""
        found = self.buckets[bucket].get(key)
        return found.data if found else None

    def delete(self, bucket: str, key: str) -> None:
        """Remove an object."""
        del self.buckets[bucket][key]


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30

    def do_GET(self) -> None:
        """Lists, metadata, downloads, permissions."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Uploads, and the start of those in pieces."""
        self._answer(self._post)

    def do_PUT(self) -> None:
        """Pieces of uploads."""
        self._answer(self._piece)

    def do_DELETE(self) -> None:
        """Deletions."""
        self._answer(self._delete)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
        """Say nothing."""

    @property
    def _fake(self) -> FakeGcs:
        return cast("FakeGcs", self.server.fake)  # type: ignore[attr-defined]

    def _answer(self, act: Callable[[dict[str, str], re.Match[str]], None]) -> None:
        parts = urlsplit(self.path)
        self._body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        route = _ROUTE.fullmatch(parts.path)
        try:
            act(query, self._known(route))
        except _Refused as refused:
            self._error(refused.status, str(refused))
        except ConnectionResetError:
            self.close_connection = True

    def _known(self, route: re.Match[str] | None) -> re.Match[str]:
        if not route:
            raise _Refused(404, f"no such path: {self.path}")
        if route["bucket"] not in self._fake.buckets:
            raise _Refused(404, "The specified bucket does not exist.")
        return route

    def _get(self, query: dict[str, str], route: re.Match[str]) -> None:
        bucket, rest = route["bucket"], route["rest"]
        if not route["objects"]:
            return self._bucket(query, bucket, rest)
        if rest is None:
            self._begin("list", bucket, "")
            return self._list(query, bucket)
        key = unquote(rest)
        media = query.get("alt") == "media" or route["via"] == "download"
        fault = self._begin("media" if media else "get", bucket, key)
        found = self._object(bucket, key, query)
        if media:
            return self._media(found, fault)
        return self._json(_resource(bucket, key, found))

    def _bucket(self, query: dict[str, str], bucket: str, rest: str | None) -> None:
        del query
        self._begin("permissions" if rest else "bucket", bucket, "")
        if not rest:
            return self._json({"kind": "storage#bucket", "name": bucket})
        asked = parse_qs(urlsplit(self.path).query).get("permissions", [])
        return self._json({"permissions": [name for name in asked if name not in self._fake.denied]})

    def _list(self, query: dict[str, str], bucket: str) -> None:
        prefix, size = query.get("prefix", ""), min(int(query.get("maxResults") or _PAGE), _PAGE)
        with self._fake.guard:
            objects = dict(self._fake.buckets[bucket])
        after = base64.urlsafe_b64decode(query["pageToken"]) if query.get("pageToken") else b""
        names = sorted((name for name in objects if name.startswith(prefix)), key=str.encode)
        names = [name for name in names if name.encode() > after]
        page: dict[str, Any] = {"items": [_resource(bucket, name, objects[name]) for name in names[:size]]}
        if len(names) > size:
            page["nextPageToken"] = base64.urlsafe_b64encode(names[size - 1].encode()).decode()
        self._json(page)

    def _media(self, found: _Object, fault: Fault) -> None:
        data = bytes(byte ^ 1 for byte in found.data) if fault.corrupted else found.data
        status, headers = 200, {}
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            first, last = int(match[1]), min(int(match[2] or len(data)), len(data) - 1)
            if first >= max(len(data), 1) and data:
                raise _Refused(416, "Requested range not satisfiable")
            if data:
                headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
                status, data = 206, data[first : last + 1]
        headers |= {"X-Goog-Hash": f"crc32c={found.crc32c},md5={found.md5}", "X-Goog-Generation": str(found.generation)}
        self._send(status, data, {"Content-Type": found.content_type, **headers}, torn=fault.torn)

    def _post(self, query: dict[str, str], route: re.Match[str]) -> None:
        kind, bucket = query.get("uploadType"), route["bucket"]
        content_type = self.headers.get("Content-Type") or ""
        if kind == "resumable":
            wanted = json.loads(self._body or b"{}")
            key = query.get("name") or wanted["name"]
            self._begin("resumable-start", bucket, key)
            self._check(bucket, key, query)
            upload = f"{len(self._fake.uploads)}"
            type_ = wanted.get("contentType") or self.headers.get("X-Upload-Content-Type") or ""
            self._fake.uploads[upload] = (bucket, key, type_, bytearray(), query)
            location = f"{self._fake.url}{urlsplit(self.path).path}?uploadType=resumable&upload_id={upload}"
            return self._send(200, b"", {"Location": location})
        if kind == "multipart":
            boundary = re.search(r'boundary="?([^";]+)', content_type)
            (_, metadata), (type_, data) = _parts(self._body, boundary[1] if boundary else "")
            return self._insert(bucket, json.loads(metadata)["name"], data, type_, query)
        return self._insert(bucket, query["name"], self._body, content_type, query)

    def _insert(self, bucket: str, key: str, data: bytes, content_type: str, query: dict[str, str]) -> None:
        self._begin("insert", bucket, key)
        with self._fake.guard:
            self._check(bucket, key, query)
            self._fake.put(bucket, key, data, content_type)
            self._json(_resource(bucket, key, self._fake.buckets[bucket][key]))

    def _piece(self, query: dict[str, str], route: re.Match[str]) -> None:
        del route
        bucket, key, type_, data, conditions = self._fake.uploads[query["upload_id"]]
        self._begin("resumable-put", bucket, key)
        match = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", self.headers.get("Content-Range") or "")
        if match and match[1]:
            del data[int(match[1]) :]
            data += self._body
        complete = not match or (match[3] != "*" and len(data) == int(match[3]))
        if complete:
            data += b"" if match else self._body
            return self._insert(bucket, key, bytes(data), type_, conditions)
        return self._send(308, b"", {"Range": f"bytes=0-{len(data) - 1}"} if data else {})

    def _delete(self, query: dict[str, str], route: re.Match[str]) -> None:
        key = unquote(route["rest"])
        self._begin("delete", route["bucket"], key)
        with self._fake.guard:
            self._object(route["bucket"], key, query)
            self._fake.delete(route["bucket"], key)
        self._send(204, b"", {})

    def _begin(self, kind: str, bucket: str, key: str) -> Fault:
        with self._fake.guard:
            self._fake.requests[kind] += 1
            fault = self._fake.fault(kind, bucket, key) or Fault()
        if fault.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise ConnectionResetError
        if fault.status:
            raise _Refused(fault.status, "on order")
        return fault

    def _object(self, bucket: str, key: str, query: dict[str, str]) -> _Object:
        found = self._fake.buckets[bucket].get(key)
        if not found or query.get("generation", str(found.generation)) != str(found.generation):
            raise _Refused(404, f"No such object: {bucket}/{key}")
        self._check(bucket, key, query)
        return found

    def _check(self, bucket: str, key: str, query: dict[str, str]) -> None:
        found = self._fake.buckets[bucket].get(key)
        wanted = query.get("ifGenerationMatch")
        if wanted is not None and int(wanted) != (found.generation if found else 0):
            raise _Refused(412, "At least one of the pre-conditions you specified did not hold.")

    def _error(self, status: int, message: str) -> None:
        self._json({"error": {"code": status, "message": message, "errors": [{"message": message}]}}, status)

    def _json(self, body: dict[str, Any], status: int = 200) -> None:
        self._send(status, json.dumps(body).encode(), {"Content-Type": "application/json; charset=UTF-8"})

    def _send(self, status: int, body: bytes, headers: dict[str, str], *, torn: bool = False) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if torn else body)
        self.close_connection = self.close_connection or torn


def _parts(body: bytes, boundary: str) -> list[tuple[str, bytes]]:
    """Media type and bytes of a multipart body's parts, as they were sent: email parsers change line ends."""
    found = []
    for part in body.split(b"--" + boundary.encode())[1:-1]:
        head, _, data = part.partition(b"\r\n\r\n")
        type_ = re.search(rb"content-type: *([^\r\n]+)", head, re.IGNORECASE)
        found.append((type_[1].decode() if type_ else "", data.removesuffix(b"\r\n")))
    return found


def _resource(bucket: str, name: str, found: _Object) -> dict[str, str]:
    return {
        "kind": "storage#object",
        "bucket": bucket,
        "name": name,
        "generation": str(found.generation),
        "metageneration": "1",
        "size": str(len(found.data)),
        "contentType": found.content_type,
        "crc32c": found.crc32c,
        "md5Hash": found.md5,
    }
