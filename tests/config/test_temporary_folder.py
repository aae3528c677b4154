from __future__ import annotations

import errno
import os
import tempfile

import pytest

from pagemill.config.temporary_folder import temporary_files
from pagemill.errors import NoRoomLeft


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG], ids=os.strerror)
def test_a_full_temporary_folder_is_named_with_the_variable_that_sets_another(number: int) -> None:
    with pytest.raises(NoRoomLeft, match=rf"{tempfile.gettempdir()} has no room left: .*set TMPDIR"), temporary_files():
        raise OSError(number, os.strerror(number))


def test_other_errors_are_left_as_they_are() -> None:
    with pytest.raises(PermissionError), temporary_files():
        raise PermissionError(errno.EACCES, "no")


def test_a_machine_without_any_folder_that_can_be_written_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/dev/null/none"])

    with pytest.raises(NoRoomLeft, match="no folder for temporary files can be written"), temporary_files():
        pass
