"""What a reader may give as a dataset on the command line, brought to one form."""

from pathlib import Path

# Those of `utils.data`, whose import takes seconds; a test compares them.
NAMES = ("glyphs", "digits", "fashion-mnist", "mnist", "cifar10")


def absolute(dataset):
    """Give the name of a dataset as it is, and a folder as an absolute path: chapters run in another folder.

    Args:
        dataset: one of the names of `utils.data`, or a folder: `photos`, `./photos`, `~/photos`, absolute.
            It counts from the folder that the command runs in.

    Raises:
        ValueError: if it is neither.
    """
    if dataset in NAMES:
        return dataset
    folder = Path(dataset).expanduser()
    if dataset and folder.is_dir():
        return str(folder.resolve())
    raise ValueError(
        f"There is no dataset {dataset!r} and no folder {folder.absolute()}; choose {', '.join(NAMES)}, or a "
        "folder with train/<class>/* and test/<class>/*."
    )
