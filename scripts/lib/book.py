"""A preprocessor for mdBook: links that leave docs/ lead to the repository.

In the repository `../../envoy/gateway.yaml` is right. In the book that file is not there, so the link becomes
$DOCS_REPOSITORY/envoy/gateway.yaml; without the variable, the file in this checkout.
"""

import json
import os
import posixpath
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
REPOSITORY = os.environ.get("DOCS_REPOSITORY") or ROOT.as_uri()
# In inline links and images: the text between `](` and `)`.
LINK = re.compile(r"(?<=\]\()(\.\./[^)\s#]*)")


def outside(chapter):
    """The replacement of a link of this chapter, given its match."""
    folder = posixpath.dirname(posixpath.join("docs", chapter))

    def replace(match):
        path = posixpath.normpath(posixpath.join(folder, match[1]))
        return match[0] if path.startswith("docs/") else f"{REPOSITORY}/{path}"

    return replace


def rewrite(items):
    for item in items:
        if isinstance(item, dict) and (chapter := item.get("Chapter")):
            if chapter["path"]:
                chapter["content"] = LINK.sub(outside(chapter["path"]), chapter["content"])
            rewrite(chapter["sub_items"])


def main():
    # `supports RENDERER`: mdBook asks whether to run this at all.
    if sys.argv[1:2] == ["supports"]:
        return
    _context, book = json.load(sys.stdin)
    rewrite(book["items"])
    json.dump(book, sys.stdout)


main()
