"""The samples of the made experiment of report_fixture.py: emoji-like drawings and scenes, with their images."""

from __future__ import annotations

import dataclasses

import numpy as np

from core.records import Image, Sample

COLOURS = {"red": "#d62828", "blue": "#1d4ed8", "green": "#15803d", "yellow": "#facc15", "purple": "#7e22ce"}
SHAPES = ("circle", "square", "triangle")
RELATIONS = ("left of", "right of", "above", "below")
THINGS = ("smiling face", "house with garden", "evergreen tree", "sun behind cloud", "red heart", "sailboat")


def make_sample(index: int, rng: np.random.Generator, hostile: str) -> Sample:
    """One sample; every third is emoji-like."""
    if index % 3 == 0:
        thing = THINGS[index // 3 % len(THINGS)]
        xml, references, source = draw_thing(thing, index), [thing, f"a drawing of a {thing}"], "openmoji"
    else:
        xml, references, source = *draw_scene(rng), "scenes"
    if hostile:
        attack = "<script>parent.document.title='owned'</script><circle onload='alert(1)'/>"
        xml = xml.replace("</svg>", f"{attack}<image href='http://example.invalid/x.png' width='9' height='9'/></svg>")
    flags = ["repaired:colour" + hostile] if index % 7 == 0 else []
    flags += ["label_leakage_left"] if index == 9 else []
    return Sample(
        id=f"{source}-{index:04d}{hostile}",
        source=source + hostile,
        split="test",
        group=f"g{max(1, index)}",  # the first two are near-duplicates
        xml=xml,
        references=[reference + hostile for reference in references],
        flags=flags,
        n_chars=len(xml),
        n_shapes=xml.count("<") - 2,
        n_commands=xml.count("<") - 2,
        n_colours=len(set(xml.split('fill="'))) - 1,
    )


def lengthen_references(sample: Sample, n_words: int, rng: np.random.Generator) -> Sample:
    """The sample with that many words more in each reference, from a vocabulary with the frequencies of a language."""
    words = [np.base_repr(7919 * rank + 37, 36).lower() for rank in range(1500)]
    frequencies = 1 / np.arange(1, 1501)
    more = rng.choice(words, (len(sample.references), n_words), p=frequencies / frequencies.sum())
    references = [f"{text} {' '.join(row)}" for text, row in zip(sample.references, more, strict=True)]
    return dataclasses.replace(sample, references=references)


def draw_scene(rng: np.random.Generator) -> tuple[str, list[str]]:
    """Two shapes with their relation, and captions that say it in two ways."""
    colours, shapes = rng.choice(list(COLOURS), 2, replace=False), rng.choice(SHAPES, 2)
    relation = RELATIONS[rng.integers(4)]
    places = {
        "left of": ((130, 256), (380, 256)),
        "right of": ((380, 256), (130, 256)),
        "above": ((256, 130), (256, 380)),
        "below": ((256, 380), (256, 130)),
    }[relation]
    parts = []
    for colour, shape, (x, y) in zip(colours, shapes, places, strict=True):
        size, paint = int(rng.integers(50, 100)), f'fill="{COLOURS[colour]}"'
        parts.append(
            {
                "circle": f'<circle cx="{x}" cy="{y}" r="{size}" {paint}/>',
                "square": f'<rect x="{x - size}" y="{y - size}" width="{2 * size}" height="{2 * size}" {paint}/>',
                "triangle": f'<path d="M{x} {y - size}L{x + size} {y + size}H{x - size}Z" {paint}/>',
            }[shape]
        )
    first, second = (f"{colour} {shape}" for colour, shape in zip(colours, shapes, strict=True))
    xml = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512">{"".join(parts)}</svg>'
    return xml, [f"a {first} {relation} a {second}", f"there is a {first} {relation} a {second}"]


def draw_thing(thing: str, index: int) -> str:
    """An emoji-like drawing. The index changes a coordinate, so that no two are equal."""
    parts = {
        "smiling face": '<circle cx="256" cy="256" r="180" fill="#fcea2b"/><circle cx="190" cy="210" r="22"/>'
        '<circle cx="322" cy="210" r="22"/>'
        '<path d="M160 300q96 110 192 0" fill="none" stroke="#000" stroke-width="16"/>',
        "house with garden": '<path d="M256 90L430 240H82Z" fill="#d22f27"/>'
        '<path d="M110 240h292v180H110Z" fill="#f1b31c"/>'
        '<path d="M220 310h72v110h-72Z" fill="#6a462f"/><path d="M40 420h432v40H40Z" fill="#5c9e31"/>',
        "evergreen tree": '<path d="M256 60L360 220H152ZM256 150L390 330H122ZM256 250L420 430H92Z" fill="#186648"/>'
        '<path d="M230 430h52v60h-52Z" fill="#6a462f"/>',
        "sun behind cloud": '<circle cx="200" cy="200" r="100" fill="#f1b31c"/>'
        '<path d="M180 380a80 80 0 0 1 20-158a110 110 0 0 1 210 40a62 62 0 0 1-10 118Z" fill="#d0cfce"/>',
        "red heart": '<path d="M256 440C60 300 60 120 170 110Q230 110 256 170Q282 110 342 110C452 120 452 300 256 440Z"'
        ' fill="#ea5a47"/>',
        "sailboat": '<path d="M250 60V340H90Z" fill="#fff" stroke="#000" stroke-width="10"/>'
        '<path d="M270 110V340H410Z" fill="#92d3f5"/><path d="M70 360H440L390 440H120Z" fill="#a57939"/>',
    }[thing]
    nudge = f'<path d="M{index % 512} 505h4v4h-4Z" fill="#9b9b9a"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512">{parts}{nudge}</svg>'


def make_images(samples: list[Sample], hostile: str) -> list[Image]:
    """Rendered drawings; the fifth could not be rendered, the ninth is blank."""
    import svg2png_py

    fonts = svg2png_py.FontDatabase()
    images = []
    for index, sample in enumerate(samples):
        if index == 4:
            images.append(Image(sample.id, None, 0, 0, "failed", "over the limit of 10 s" + hostile))
            continue
        xml = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512"></svg>' if index == 8 else sample.xml
        sized = xml.replace("<svg ", '<svg width="224" height="224" ', 1)
        png = svg2png_py.svg_to_png(sized, fonts, bg_color=(255, 255, 255, 255))
        images.append(Image(sample.id, png, 224, 224, "ok", flags=["blank"] if index == 8 else []))
    return images
