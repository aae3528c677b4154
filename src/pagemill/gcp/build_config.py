"""The build as `cloudbuild.yaml` declares it, and its source files."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml
from google.cloud.devtools import cloudbuild_v1
from google.protobuf.json_format import ParseDict, ParseError

from pagemill.errors import UsageError

_NAME = "cloudbuild.yaml"
_STATE = {".terraform", "terraform.tfstate", "terraform.tfstate.backup"}  # of infra/terraform, where it was applied
_LEFT_OUT = {"__pycache__", ".DS_Store", "README.md", ".gcloudignore", *_STATE}
_TAG_DIGITS = 16  # of the source's digest, in an image's tag


@dataclass(frozen=True)
class BuildConfig:
    """A folder with a `cloudbuild.yaml`. Its files are the source, unless `root` and `names` say otherwise."""

    folder: Path
    root: Path | None = None
    names: tuple[str, ...] = ()  # files and folders below the root

    @cached_property
    def declared(self) -> cloudbuild_v1.Build:
        """The build, as `gcloud builds submit --config` reads it from the file.

        Raises:
            UsageError: There is no such file, or it is not a valid build.
        """
        path = self.folder / _NAME
        try:
            message = cloudbuild_v1.Build.pb(cloudbuild_v1.Build())
            ParseDict(yaml.safe_load(path.read_text(encoding="utf-8")), message)
        except (OSError, yaml.YAMLError, ParseError) as error:
            raise UsageError(f"{path} is not a valid build: {error}") from error
        return cloudbuild_v1.Build.wrap(message)

    def substitutions(self, **given: str) -> dict[str, str]:
        """The file's substitutions, with the given values in place of its own; empty values do not count.

        Raises:
            UsageError: The file does not declare one of them.
        """
        declared = dict(self.declared.substitutions)
        chosen = {f"_{name.upper()}": value for name, value in given.items() if value}
        if unknown := chosen.keys() - declared.keys():
            raise UsageError(f"{self.folder / _NAME} does not declare {', '.join(sorted(unknown))}")
        return declared | chosen

    @cached_property
    def archive(self) -> bytes:
        """The source as `.tar.gz`, reproducible: the same files give the same bytes."""
        buffer = io.BytesIO()
        with (
            gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, filename="") as zipped,
            tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            root = self.root or self.folder
            for path in sorted(self._files(root)):
                content = None if path.is_symlink() else io.BytesIO(path.read_bytes())
                tar.addfile(_entry(path, path.relative_to(root).as_posix()), content)
        return buffer.getvalue()

    def _files(self, root: Path) -> Iterator[Path]:
        for top in [root / name for name in self.names] or [root]:
            for path in [top] if top.is_file() else top.rglob("*"):
                left_out = path != top and _LEFT_OUT.intersection(path.relative_to(top).parts)
                if (path.is_file() or path.is_symlink()) and not left_out:
                    yield path

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the archive, as hex."""
        return hashlib.sha256(self.archive).hexdigest()

    def tag(self, substitutions: dict[str, str]) -> str:
        """The tag of an image of this source with these substitutions; it changes when one of them changes."""
        of_the_image = {
            name: value for name, value in substitutions.items() if name not in {"_TAG", "_IMAGE", "_CACHE_REPOSITORY"}
        }
        text = json.dumps([self.digest, of_the_image], sort_keys=True)
        return f"src-{hashlib.sha256(text.encode()).hexdigest()[:_TAG_DIGITS]}"


def _entry(path: Path, name: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    if path.is_symlink():
        entry.type, entry.linkname = tarfile.SYMTYPE, str(path.readlink())
        return entry
    entry.size = path.stat().st_size
    entry.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
    return entry
