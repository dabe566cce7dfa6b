"""For MkDocs: files of the repository that are no page of the site are named, or linked to where the repository is."""

import re
from typing import Any


def on_page_markdown(markdown: str, config: Any, **_: Any) -> str:
    """A link to ``../results/README.md`` becomes its path; with a ``repo_url`` in mkdocs.yml, a link to it there."""
    there = rf"[\1]({config['repo_url']}/blob/main/\2)" if config["repo_url"] else r"\1 (`\2` in the repository)"
    return re.sub(r"\[([^\]]*)\]\(\.\./([^)]+)\)", there, markdown)
