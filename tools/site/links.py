"""A hook of MkDocs. Links in docs/ lead to files of the repository too, which the site does not hold: there the words
stay and the link goes. Where mkdocs.yml names a `repo_url`, the link leads to the file there."""

import pathlib
import posixpath
import re

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```.*?^```[^\S\n]*$)", re.MULTILINE | re.DOTALL)


def on_page_markdown(markdown, page, config, files):
    folder = posixpath.join("docs", posixpath.dirname(page.file.src_uri))

    def rewritten(match):
        picture, words, address = match.groups()
        target, _, anchor = address.partition("#")
        if not target or "://" in target or target.startswith("mailto:"):
            return match[0]
        path = posixpath.normpath(posixpath.join(folder, target))
        if path.startswith("docs/"):
            return match[0]
        if not (REPOSITORY / path).exists():
            raise FileNotFoundError(f"{folder}: a link to {path}, which is not there")
        if not config.repo_url:
            return words
        kind = "tree" if (REPOSITORY / path).is_dir() else "blob"
        return f"{picture}[{words}]({config.repo_url.rstrip('/')}/{kind}/main/{path}{'#' + anchor if anchor else ''})"

    parts = FENCE.split(markdown)
    return "".join(part if part.startswith("```") else LINK.sub(rewritten, part) for part in parts)
