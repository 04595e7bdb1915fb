"""Pictures that drawings embed as `data:` links, read as browsers do: by their bytes, whatever the link says of them.

Wrong media types, spaces, percent-encoding and missing padding are repaired; a format that back ends lack becomes PNG.
"""

from __future__ import annotations

import base64
import io
import re
from urllib.parse import unquote_to_bytes

from lxml import etree
from PIL import Image as Picture

LINKS = ("href", "{http://www.w3.org/1999/xlink}href")
MAX_EMBEDDED_PIXELS = 4_000_000  # of all images of a drawing together
DRAWABLE = {"PNG": "png", "JPEG": "jpeg", "GIF": "gif"}
FORMATS = [*DRAWABLE, "WEBP", "BMP", "ICO"]  # that browsers draw; no other decoder of Pillow sees untrusted bytes

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")


class TooLarge(Exception):
    """An embedded picture that no renderer should unpack; the message says why."""


def read_embedded(link: str) -> bytes:
    """The bytes of a `data:` link (RFC 2397), with what is broken in its encoding repaired."""
    head, _, body = link.strip().partition(",")
    data = unquote_to_bytes(body.strip())
    if not head.replace(" ", "").lower().endswith(";base64"):
        return data
    data = _NOT_BASE64.sub(b"", data.replace(b"-", b"+").replace(b"_", b"/"))
    data = data[: len(data) - (len(data) % 4 == 1)]
    return base64.b64decode(data + b"=" * (-len(data) % 4))


def check_embedded(element: etree._Element, flags: set[str], n_before: int = 0) -> int:
    """The pixels of what an image element embeds, 0 for nothing; its link is repaired in place.

    What is no picture is taken out and flagged. Raises TooLarge, also with `n_before` pixels of other images.
    """
    n_pixels = 0
    for key in LINKS:
        link = (element.get(key) or "").strip()
        if not link.lower().startswith("data:"):
            continue
        try:
            with Picture.open(io.BytesIO(read_embedded(link)), formats=FORMATS) as picture:
                n_pixels += picture.width * picture.height
                if n_before + n_pixels > MAX_EMBEDDED_PIXELS:
                    raise TooLarge(f"embeds images of more than {MAX_EMBEDDED_PIXELS} pixels")
                repaired = plain_link(link, picture)
        except Picture.DecompressionBombError as error:
            raise TooLarge(f"embeds an image that is too large ({error})") from error
        except (ValueError, OSError, SyntaxError):
            # Another SVG, which would need a guard of its own, or nothing that can be read.
            del element.attrib[key]
            flags.add("removed:embedded_svg" if "svg" in link[:64].lower() else "removed:embedded_file")
            continue
        if repaired != link:
            element.set(key, repaired)
            flags.add("repaired:embedded_image")
    return n_pixels


def plain_link(link: str, picture: Picture.Image) -> str:
    """The link of a picture that back ends read: as it is where it is plain, apart from spaces."""
    kind = DRAWABLE.get(picture.format or "")
    if kind is None:
        buffer = io.BytesIO()
        picture.convert("RGBA").save(buffer, "PNG")
        return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    head, _, body = link.partition(",")
    is_plain = head.lower() in (f"data:image/{kind};base64", "data:image/jpg;base64" if kind == "jpeg" else "")
    if is_plain and re.fullmatch(r"[A-Za-z0-9+/\s]*={0,2}\s*", body) and len("".join(body.split())) % 4 == 0:
        return link
    return f"data:image/{kind};base64,{base64.b64encode(read_embedded(link)).decode()}"
