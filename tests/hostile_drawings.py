"""Drawings that attack their reader or renderer: bytes of files, made by code.

`make_hostile(folder, url)` gives them by name. Those that reach outside point at `folder`/secret.png, a picture of one
colour (SECRET) that no rendered picture may show, and at `url`, a server that no one may ask.
"""

import base64
import gzip
import io
import struct
import zlib

from PIL import Image

NAMESPACE = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
SECRET = (255, 0, 254)
VISIBLE = '<rect width="30" height="30" fill="teal"/>'


def wrap(body, attributes='viewBox="0 0 100 100"'):
    return f"<svg {NAMESPACE} {attributes}>{body}</svg>"


def picture_bytes(size, colour):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def embed(data):
    link = "data:image/png;base64," + base64.b64encode(data).decode()
    return wrap(f'{VISIBLE}<image width="90" height="90" xlink:href="{link}"/>')


def png_bomb(side=30_000):
    """A PNG of side x side black pixels in a few kilobytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = bytes(1 + side // 8 + 1)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def svgz_bomb(n_bytes=500_000_000):
    """A gzip file of blanks in an SVG."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=9) as file:
        file.write(wrap(VISIBLE).removesuffix("</svg>").encode())
        blanks = b" " * 10_000_000
        for _ in range(n_bytes // len(blanks)):
            file.write(blanks)
        file.write(b"</svg>")
    return buffer.getvalue()


def billion_laughs():
    entities = '<!ENTITY a0 "laugh">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    return f"<!DOCTYPE svg [{entities}]>" + wrap(f"{VISIBLE}<text>&a9;</text>")


def quadratic_blowup():
    return f'<!DOCTYPE svg [<!ENTITY a "{"M0 0h9" * 20_000}">]>' + wrap(f'<path d="{"&a;" * 20_000}"/>')


def exponential_use(levels=30):
    groups = "".join(f'<g id="l{n}"><use href="#l{n - 1}"/><use href="#l{n - 1}"/></g>' for n in range(1, levels))
    return wrap(f'<defs><rect id="l0" width="5" height="5"/>{groups}</defs><use href="#l{levels - 1}"/>')


def exponential_patterns(levels=20):
    patterns = "".join(
        f'<pattern id="p{n}" width=".1" height=".1"><rect width="50" height="50" fill="url(#p{n - 1})"/>'
        f'<rect width="40" height="40" fill="url(#p{n - 1})"/></pattern>'
        for n in range(1, levels)
    )
    first = '<pattern id="p0" width=".1" height=".1"><rect width="5" height="5"/></pattern>'
    return wrap(f'{first}{patterns}<rect width="90" height="90" fill="url(#p{levels - 1})"/>')


def filtered(effect):
    region = 'x="-10" y="-10" width="20" height="20"'
    return wrap(f'<filter id="f" {region}>{effect}</filter><rect width="90" height="90" filter="url(#f)"/>')


def make_hostile(folder, url):
    """Hostile files by name: (suffix, bytes)."""
    secret = folder / "secret.png"
    secret.write_bytes(picture_bytes((50, 50), SECRET))

    def image(target):
        return wrap(f'{VISIBLE}<image xlink:href="{target}" href="{target}" width="90" height="90"/>')

    texts = {
        "entity_bomb": billion_laughs(),
        "quadratic_entities": quadratic_blowup(),
        "external_entity": f'<!DOCTYPE svg [<!ENTITY x SYSTEM "file://{secret}">]>'
        + wrap(VISIBLE + "<text>&x;</text>"),
        "external_dtd": f'<!DOCTYPE svg SYSTEM "{url}/svg.dtd">' + wrap(VISIBLE),
        "image_file_url": image(f"file://{secret}"),
        "image_absolute": image(str(secret)),
        "image_relative": image("secret.png"),
        "image_parent": image(f"../{folder.name}/secret.png"),
        "image_http": image(f"{url}/secret.png"),
        "image_entity_spelled": image("fi&#108;e://" + str(secret)),
        "use_file": wrap(f'{VISIBLE}<use href="file://{secret}#a"/><use xlink:href="other.svg#a"/>'),
        "use_http": wrap(f'{VISIBLE}<use href="{url}/other.svg#a"/>'),
        "css_import": wrap(f'<style>@import url("{url}/a.css"); @import "file://{secret}";</style>{VISIBLE}'),
        "css_url": wrap(
            f'{VISIBLE}<rect width="9" height="9" style="fill:url(file://{secret})"/>'
            f'<rect width="9" height="9" fill="url({url}/a.svg#b)" filter="u\\72l({url}/b)"/>'
        ),
        "css_font": wrap(f'<style>@font-face{{font-family:x;src:url({url}/x.ttf)}}</style><text x="9" y="50">a</text>'),
        "xml_base": wrap(f'<g xml:base="{url}/"><image href="secret.png" width="90" height="90"/></g>{VISIBLE}'),
        "stylesheet_instruction": f'<?xml-stylesheet href="{url}/a.css"?>' + wrap(VISIBLE),
        "filter_image": filtered(f'<feImage href="{secret}"/>'),
        "script": wrap(
            f'<script href="{url}/a.js">while(true){{}}</script><rect onload="x()" width="30" height="30" fill="teal"/>'
        ),
        "foreign_object": wrap(f'{VISIBLE}<foreignObject width="90" height="90"><img src="{url}/x"/></foreignObject>'),
        "huge_canvas": wrap(VISIBLE, 'width="100000" height="100000"'),
        "huge_inner_canvas": wrap(
            f'{VISIBLE}<svg width="100000" height="100000" viewBox="0 0 1 1"><path d="M0 0h9"/></svg>'
        ),
        "nested_groups": wrap("<g>" * 100_000 + VISIBLE + "</g>" * 100_000),
        "nested_300": wrap("<g>" * 200 + VISIBLE + "</g>" * 200),
        "recursive_use": wrap('<g id="a"><use href="#a"/></g>'),
        "recursive_pattern": wrap(
            '<pattern id="a" width="5" height="5"><rect width="9" height="9" fill="url(#a)"/></pattern>'
            '<rect width="90" height="90" fill="url(#a)"/>'
        ),
        "exponential_use": exponential_use(),
        "exponential_patterns": exponential_patterns(),
        "use_chain": wrap(
            '<rect id="u0" width="5" height="5"/>'
            + "".join(f'<use id="u{n}" href="#u{n - 1}"/>' for n in range(1, 5000))
        ),
        "filter_radius": filtered('<feMorphology operator="dilate" radius="99999"/>'),
        "filter_blur": filtered('<feGaussianBlur stdDeviation="1e9"/>'),
        "filter_chain": filtered('<feGaussianBlur stdDeviation="99"/>' * 2000),
        "filter_octaves": filtered('<feTurbulence baseFrequency=".01" numOctaves="4000"/>'),
        "huge_base64": embed(picture_bytes((2100, 2100), "red") + bytes(4_000_000)),
        "png_bomb": embed(png_bomb()),
        "image_rubbish": embed(b"rubbish"),
        "embedded_svg": wrap(
            f'{VISIBLE}<image width="90" height="90" href="data:image/svg+xml;base64,'
            f'{base64.b64encode(image(str(secret)).encode()).decode()}"/>'
        ),
        "million_commands": wrap('<path d="M0 0' + "l1 1" * 1_000_000 + '"/>'),
        "many_commands": wrap('<path stroke="red" d="M0 0' + "q9 1 5 7t3-9" * 70_000 + '"/>'),
        "tiny_dashes": wrap('<path stroke="red" stroke-dasharray="1e-7" d="M0 0L1e6 1e6"/>'),
        "not_numbers": wrap(
            f'{VISIBLE}<rect width="NaN" height="Infinity"/><circle r="inf"/><path d="M0 0L1e308 nan"/>'
        ),
        "infinite_coordinates": wrap(f'{VISIBLE}<path d="M0 0L1e308 1e308L-1e308 5z" stroke="red"/>'),
        "overflowing_coordinates": wrap(
            f'{VISIBLE}<path d="M0 0L1e400 1"/><g transform="scale(1e308)"><path d="M0 0h9v9z"/></g>'
        ),
        "not_a_view_box": wrap(VISIBLE, 'viewBox="NaN 0 1e400 -5" width="inf" height="NaN"'),
        "zero_sizes": wrap(f'{VISIBLE}<rect width="0" height="0"/><circle r="0"/>', 'width="0" height="0"'),
        "negative_sizes": wrap(f'{VISIBLE}<rect width="-5" height="-9"/><circle r="-1"/>', 'width="-5" height="-5"'),
        "deep_css": wrap("<style>" + "a{" * 100_000 + f"</style>{VISIBLE}"),
        "binary_in_xml": "<svg>\x01\x02\x03</svg>",
        "empty": "",
    }
    files = {name: (".svg", text.encode()) for name, text in texts.items()}
    plain = wrap(VISIBLE)
    files |= {
        "utf16": (".svg", ('<?xml version="1.0" encoding="UTF-16"?>' + plain).encode("utf-16")),
        "utf16_unmarked": (".svg", plain.encode("utf-16-be")),
        "utf32": (".svg", plain.encode("utf-32")),
        "wrongly_declared": (".svg", ('<?xml version="1.0" encoding="UTF-16"?>' + plain).encode()),
        "unknown_encoding": (".svg", ('<?xml version="1.0" encoding="klingon"?>' + plain).encode()),
        "latin1_as_utf8": (
            ".svg",
            ('<?xml version="1.0" encoding="UTF-8"?>' + wrap(VISIBLE + "<!-- ü -->")).encode("latin-1"),
        ),
        "svgz_bomb": (".svgz", svgz_bomb()),
        "svgz_cut": (".svgz", gzip.compress(plain.encode())[:-20]),
        "svgz_rubbish": (".svgz", b"\x1f\x8b" + bytes(range(256))),
        "rubbish": (".svg", bytes(range(256)) * 40),
        "zeros": (".svg", bytes(1_000_000)),
        "huge_file": (".svg", wrap(VISIBLE).removesuffix("</svg>").encode() + b" " * 200_000_000 + b"</svg>"),
    }
    return files
