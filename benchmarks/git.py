"""What git says of a source tree."""

import os
import subprocess
from pathlib import Path

SAFE = ("-c", "core.fsmonitor=false")
"""No program that a configuration names is started."""

PATIENCE = 60.0
"""Seconds git is given."""


def git(root: Path, *arguments: str) -> bytes:
    """What git says of a source tree: of this one, whatever the environment says, whoever owns it; changes nothing.

    Raises:
        OSError: There is no git.
        subprocess.SubprocessError: It fails, or does not answer.
    """
    # A repository that is named is not looked for in the folders above, and its owner is not asked about.
    named = ("git", f"--git-dir={root / '.git'}", f"--work-tree={root}", *SAFE)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment["GIT_OPTIONAL_LOCKS"] = "0"
    done = subprocess.run(
        [*named, *arguments],
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=PATIENCE,
    )
    return done.stdout
