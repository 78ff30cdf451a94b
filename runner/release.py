"""Sets a release's tag wherever it stands: `python -m runner.release 0.2.0`."""

import re
import sys
from pathlib import Path

from runner.copies import chapters
from utils.evidence.store import ROOT, replace

VERSION = r"\d+\.\d+\.\d+"


def places(root=ROOT):
    """List where the tag stands: path, and a pattern of what is before and after the version."""
    found = [("_config.yml", rf"(release: v){VERSION}()"), ("CITATION.cff", rf"(?m)(^version: ){VERSION}()")]
    return found + [
        (f"notebooks/{name}.ipynb", rf"(RELEASE\b.* = \\\"v){VERSION}(\\\")") for name in chapters(root)
    ]


def release(version, root=ROOT):
    """Put `version`, such as "0.2.0", into every place, or into none.

    Raises:
        ValueError: if it is no version, or a place does not hold the tag exactly once.
    """
    if not re.fullmatch(VERSION, version):
        raise ValueError(f"{version!r} is no version: give three numbers, such as 0.2.0.")
    texts = {}
    for name, pattern in places(root):
        text = (Path(root) / name).read_text(encoding="utf-8")
        texts[name], count = re.subn(pattern, rf"\g<1>{version}\g<2>", text)
        if count != 1:
            raise ValueError(f"{name} should hold the release's tag once; it holds it {count} times.")
    for name, text in texts.items():
        replace(Path(root) / name, text)


def main(arguments=None):
    """Command line; gives the exit status."""
    (version,) = arguments or sys.argv[1:]
    try:
        release(version)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    message = f'git commit -am "Release {version}" && git tag v{version} && git push origin main v{version}'
    print(f"The tag is v{version} everywhere. Now: {message}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
