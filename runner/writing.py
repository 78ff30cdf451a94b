"""What is said where the book's folder cannot be written to, as on a shared or a read-only disk."""

import errno
import sys

READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


def is_read_only(error):
    """Say whether an OSError means that nothing may be written there."""
    return error.errno in READ_ONLY


def read_only(error, root):
    """Give the sentence for the reader: what may not be written, and what to do."""
    return (
        f"{error.filename or root} may not be written ({error.strerror}): copy the book's folder {root} to a "
        "place of your own, and run it there."
    )


def status(error, root):
    """Give a command's exit status after an OSError, with that sentence printed; another error is raised."""
    if not is_read_only(error):
        raise error
    print(read_only(error, root), file=sys.stderr)
    return 1
