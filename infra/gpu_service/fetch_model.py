"""Downloads one revision of a model into a folder, and checks the digest of its weights. Runs during the build."""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import sys
from pathlib import Path

PATTERNS = ("*.json", "*.safetensors", "*.jinja", "*.txt")  # no code, no pickles
WEIGHTS = "model.safetensors"
_CHUNK_BYTES = 2**24


def fetch(model: str, revision: str, sha256: str, folder: Path) -> str:
    """Download the model; return an error message, or an empty string.

    Args:
        model: Its name on the hub.
        revision: The commit, 40 hex digits; a branch could change.
        sha256: SHA-256 of the weights, 64 hex digits.
        folder: Where the files go; it is created.
    """
    if not re.fullmatch("[0-9a-f]{40}", revision):
        return f"_MODEL_REVISION is '{revision}'; it must be a commit of {model}, 40 hex digits"
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        return f"_MODEL_SHA256 is '{sha256}'; it must be the SHA-256 of {WEIGHTS}, 64 hex digits"
    from huggingface_hub import snapshot_download  # noqa: PLC0415 -- only in vLLM's image

    snapshot_download(model, revision=revision, local_dir=folder, allow_patterns=list(PATTERNS))
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # metadata of the download
    if not (folder / WEIGHTS).is_file():
        return f"{model} at {revision} holds no {WEIGHTS}"
    if (found := _digest(folder / WEIGHTS)) != sha256:
        return f"{WEIGHTS} of {model} at {revision} has the SHA-256 {found}, not {sha256}; check the two substitutions"
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return ""


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def main() -> None:
    """Read the arguments, download, exit with an error message if there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--revision", required=True)
    parser.add_argument("--sha256", required=True)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    if wrong := fetch(given.model, given.revision, given.sha256, given.folder):
        sys.exit(f"fetch_model: {wrong}")


if __name__ == "__main__":
    main()
