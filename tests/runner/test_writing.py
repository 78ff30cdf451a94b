"""Errors as the system raises them."""

import errno
import os

import pytest

from runner.writing import is_read_only, read_only


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_place_that_may_not_be_written_is_named_in_one_sentence(code):
    error = OSError(code, os.strerror(code), "/shared/book/_build")
    assert is_read_only(error)
    message = read_only(error, "/shared/book")
    assert message.startswith(f"/shared/book/_build may not be written ({os.strerror(code)}): copy the book")
    assert "\n" not in message


def test_another_error_is_no_such_thing():
    assert not is_read_only(OSError(errno.ENOSPC, "No space left on device"))
