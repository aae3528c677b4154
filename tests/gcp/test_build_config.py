from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from pagemill.errors import UsageError
from pagemill.gcp.build_config import BuildConfig

_YAML = """
steps: [{name: gcr.io/cloud-builders/docker, args: [build, -t, $_IMAGE, .]}]
timeout: 60s
substitutions: {_MODEL: a/b, _REVISION: "1", _TAG: $BUILD_ID, _IMAGE: "r/p/i:${_TAG}"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "build"
    (folder / "sub").mkdir(parents=True)
    (folder / "cloudbuild.yaml").write_text(_YAML)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "sub/check.py").write_text("print()\n")
    return folder


def _names(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.getnames()


def test_the_same_files_give_the_same_archive(folder: Path) -> None:
    before = BuildConfig(folder).digest
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))
    (folder / "sub/__pycache__").mkdir()
    (folder / "sub/__pycache__/check.pyc").write_bytes(b"x")
    (folder / "README.md").write_text("how to build by hand")

    assert BuildConfig(folder).digest == before
    assert _names(BuildConfig(folder).archive) == ["Dockerfile", "cloudbuild.yaml", "sub/check.py"]


def test_state_and_plugins_of_terraform_are_no_source(folder: Path) -> None:
    """The state names whatever is in the project; the plugins have hundreds of megabytes."""
    before = BuildConfig(folder).digest
    (folder / "sub/.terraform/providers").mkdir(parents=True)
    for name in (".terraform/providers/google", "terraform.tfstate", "terraform.tfstate.backup"):
        (folder / "sub" / name).write_bytes(b"x")

    assert BuildConfig(folder).digest == before


def test_another_file_content_or_mode_is_another_source(folder: Path) -> None:
    digests = {BuildConfig(folder).digest}
    (folder / "sub/check.py").write_text("print(1)\n")
    digests.add(BuildConfig(folder).digest)
    (folder / "sub/check.py").chmod(0o755)
    digests.add(BuildConfig(folder).digest)
    (folder / "sub/check.py").rename(folder / "check.py")
    digests.add(BuildConfig(folder).digest)

    assert len(digests) == 4


def test_archive_entries_have_no_owner_and_no_path_out_of_the_archive(folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(BuildConfig(folder).archive)) as tar:
        entries = tar.getmembers()

    assert {(entry.uid, entry.gid, entry.uname, entry.mtime) for entry in entries} == {(0, 0, "", 0)}
    assert all(entry.isfile() and not entry.name.startswith(("/", "..")) for entry in entries)


def test_the_tag_names_source_and_arguments_but_not_itself(folder: Path) -> None:
    config = BuildConfig(folder)
    plain = config.tag(config.substitutions())

    assert config.tag(config.substitutions(tag="anything")) == plain
    assert config.tag(config.substitutions(revision="2")) != plain
    (folder / "Dockerfile").write_text("FROM busybox\n")
    assert BuildConfig(folder).tag(config.substitutions()) != plain


def test_an_empty_value_keeps_the_files_own(folder: Path) -> None:
    assert BuildConfig(folder).substitutions(revision="", model="c/d")["_REVISION"] == "1"


def test_a_substitution_that_the_file_does_not_declare_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="_SPEED"):
        BuildConfig(folder).substitutions(speed="fast")


@pytest.mark.parametrize("text", ["steps: [", "steps: 7", "no_such_field: 1"])
def test_an_invalid_build_file_is_named(folder: Path, text: str) -> None:
    (folder / "cloudbuild.yaml").write_text(text)

    with pytest.raises(UsageError, match=r"cloudbuild\.yaml is not a valid build"):
        _ = BuildConfig(folder).declared


def test_a_folder_without_a_build_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cloudbuild\.yaml is not a valid build"):
        _ = BuildConfig(tmp_path).declared


def test_a_link_to_a_folder_of_the_source_is_packed_as_a_link(folder: Path) -> None:
    (folder / "also").symlink_to("sub")

    with tarfile.open(fileobj=io.BytesIO(BuildConfig(folder).archive)) as tar:
        entry = tar.getmember("also")

    assert (entry.issym(), entry.linkname) == (True, "sub")
