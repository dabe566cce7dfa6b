"""For MkDocs: links to files of the repository that are no page of the site lead to where the repository is."""

from typing import Any


def on_page_markdown(markdown: str, config: Any, **_: Any) -> str:
    """``../results/README.md`` becomes an address."""
    return markdown.replace("](../", f"]({config['repo_url']}/blob/main/")
