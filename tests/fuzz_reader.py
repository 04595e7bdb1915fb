"""Fuzz the reader and the guard of the renderer with Hypothesis: whatever comes, an answer or a reason, and soon.

    python tests/fuzz_reader.py --minutes 10

Not a part of the test suite, since it runs for minutes. A failure is printed as the drawing that caused it, made as
small as it goes: write it into tests/fuzz_seeds.json, where test_fuzz_seeds.py keeps it as a test.
"""

import argparse
import contextlib
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from svg.bytes import Undecodable, decode_drawing
from svg.canonical import canonicalise
from svg.guard import Refused, guard_drawing
from svg.parse import Unusable

SLOWEST_SECONDS = 10
_NAMES = """svg g path rect circle ellipse line polyline polygon use text tspan style defs symbol linearGradient
radialGradient stop clipPath mask filter feGaussianBlur image pattern marker switch a title script foreignObject animate
x:y svg:g"""
_KEYS = """d points x y width height r rx ry cx cy x1 y2 fill stroke style transform viewBox id href xlink:href class
opacity stroke-width stroke-dasharray clip-path mask filter offset stop-color gradientTransform gradientUnits display
xmlns fill-rule stroke-linejoin font-family preserveAspectRatio spreadMethod color visibility"""
_WORDS = """none None null NaN inf 1e308 -1e400 0 -5 50% 1e-320 #a url(#a) url(#b) red 3,84,76 rgb(1,2,3) rgb(300%,-5,x)
#fff #12 currentColor inherit hsl(9,9%,9%) scale(0) rotate(45) matrix(1,2,3,4,5,6) skewX(89.999) translate( M0,0 h9v9z
a1,1,0,0,1,9,9 C1,2,3,4 q5,5t9 d=M1,1L5 A5,5,0,119-9 fill:red; stroke:url(#a) display:none !important &amp; &eacute;
data:image/png;base64,AAAA &x; ; :"""
NAMES, KEYS = _NAMES.split(), _KEYS.split()
WORDS = [*_WORDS.split(), "0 0 100 100", "0 0 0 0", "\ufeff", "\x00", "rotate(45 1 1)"]
NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'

numbers = st.floats(allow_nan=True, allow_infinity=True).map(str) | st.integers(-(10**6), 10**6).map(str)
values = st.lists(st.sampled_from(WORDS) | numbers | st.text(max_size=5), max_size=6).map(" ".join)
attributes = st.dictionaries(st.sampled_from(KEYS), values, max_size=5)


def write_element(name, attributes, children):
    inside = "".join(children)
    texts = "".join(f' {key}="{value.replace(chr(34), "").replace("<", "")}"' for key, value in attributes.items())
    return f"<{name}{texts}>{inside}</{name}>"


elements = st.recursive(
    values,
    lambda inner: st.builds(write_element, st.sampled_from(NAMES), attributes, st.lists(inner, max_size=4)),
    max_leaves=25,
)
roots = st.sampled_from([f'<svg {NAMESPACE} viewBox="0 0 100 100">', f"<svg {NAMESPACE}>", "<svg>"])
drawings = st.builds(lambda root, parts: f"{root}{''.join(parts)}</svg>", roots, st.lists(elements, max_size=5))
path_records = st.lists(st.tuples(values, values), max_size=4).map(
    lambda records: "\n".join(f"style=fill:{style}\td={data}" for style, data in records)
)
texts = drawings | path_records | st.text(max_size=200)


@st.composite
def damaged(draw):
    """A drawing cut off, or with a piece replaced."""
    text = draw(drawings)
    start, stop = sorted(draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
    return text[:start] + draw(values) + (text[stop:] if draw(st.booleans()) else "")


damaged_bytes = st.binary(max_size=300) | damaged().map(lambda text: text.encode("utf-16", "ignore"))


def read(text):
    """Read a drawing at every level, and guard it: nothing but the reasons that it is rejected for may be raised."""
    for level in ("none", "safe", "compact"):
        # What preprocess_svg lists as the reason of a rejection.
        with contextlib.suppress(Unusable, ArithmeticError, RecursionError, MemoryError):
            canonicalise(text, 512, 0, level)
    with contextlib.suppress(Refused):
        guard_drawing(text)


def check(text):
    """Read a text; it may not take long."""
    start = time.monotonic()
    read(text)
    seconds = time.monotonic() - start
    assert seconds < SLOWEST_SECONDS, f"took {seconds:.1f} seconds"


def check_bytes(data):
    """Decode and read bytes."""
    with contextlib.suppress(Undecodable):
        check(decode_drawing(data)[0])


def main(minutes):
    end = time.monotonic() + 60 * minutes
    options = settings(max_examples=500, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    fuzzers = [options(given(texts | damaged())(check)), options(given(damaged_bytes)(check_bytes))]
    rounds = 0
    while time.monotonic() < end:
        for fuzzer in fuzzers:
            fuzzer()
        rounds += 1
        print(f"{rounds} rounds of {500 * len(fuzzers)} drawings, no failure", flush=True)
    print(json.dumps({"minutes": minutes, "drawings": rounds * 500 * len(fuzzers), "failures": 0}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Fuzz the reader of drawings.")
    parser.add_argument("--minutes", type=float, default=10)
    main(**vars(parser.parse_args()))
