"""Captions and references of our own writing that bring metrics and tokenizers into difficulties."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path

from core.records import Caption, Sample
from scoring.metrics import Texts

HARD_PAIRS = [
    ("a red circle left of a blue square", ["a red circle to the left of a blue square", "a circle and a square"]),
    ('a sign that says "STOP"', ["a stop sign", 'an octagon with the word "stop" on it']),
    ("it's a cat, isn't it?", ["it is a cat", "a cat's face (smiling)", "cat"]),
    ("ein naïves Café — 😀 🇩🇪", ["a café with a smiling face 😀", "naïve café"]),
    ("two dogs\nrunning\r\nfast\u2028over\x0bthere\x85now", ["two dogs run quickly", "dogs running"]),
    ("a ||| b", ["a vertical line ||| between a and b", "three lines"]),
    ("", ["nothing was written for this one"]),
    ("!!! ... ?", ["only punctuation"]),
    ("the the the the the", ["the cat sat on the mat"]),
    ("a yellow star", ["a yellow star"]),
    (
        " ".join(f"word{n}" for n in range(300)),
        ["a caption of 300 words", " ".join(f"word{n}" for n in range(0, 300, 3))],
    ),
    ("日本語の絵 3/4 ½ $5 U.S. e.g. x-ray http://a.b/c", ["japanese drawing, three quarters, 5 dollars, u.s."]),
    ("it shows folks out of the auto", ["it depicts people from the car", "men in the vehicle"]),
    ("<svg><path d='M0 0'/></svg>", ["&lt;svg&gt; code", "a path"]),
]
# Caption and single reference in the shapes of real experiments: another language and cut at its limit, several long
# sentences in paragraphs, cut at the front, empty, a failure marker, the drawing's code, a loop, junk.
PREDICTIONS = [
    (
        "L'immagine raffigura un'icona stilizzata composta da un cerchio e da tre linee orizzontali di diversa "
        "lunghezza. Il cerchio è collocato nell'angolo in alto a sinistra, mentre le linee",
        "The image depicts a simple icon made of a circle and three horizontal lines. The circle is in the top left "
        "corner, and the lines are of different lengths.",
    ),
    (
        "The image depicts a simple drawing of a lamp. The lamp stands on a round, black base.\n\nAbove the base is "
        'a thin pole that holds a cone-shaped shade; its outline is 2px wide and it\'s filled with "pure" white.',
        "The image depicts a black lamp with a round base, a thin pole, and a shade in the shape of a cone. The "
        "lamp's shade is white with a thick outline, which sets it apart from the background.",
    ),
    (
        "cts a red square that is rotated by 45 degrees, so that it's a diamond, and a smaller white square inside",
        "The image depicts a diamond: a red square, rotated by 45 degrees, with a smaller white square in its center.",
    ),
    ("", "The image depicts a house with a chimney, two windows and a door in the middle."),
    ("[GENERATION_FAILED]", "The image depicts a pair of scissors that are open, seen from above."),
    (
        "style=fill:12,80,76;stroke:None;stroke-width:1;opacity:1\td=M12,40 C14,20,30,20,44,40 <path d='M0 0h9'/>",
        "The image depicts a green hill under a clear sky.",
    ),
    (
        "The circle is black. The circle is black. The circle is black. The circle is black. The circle is bl",
        "A black circle.",
    ),
    ("The image depicts an arrow that points to the right.", "step 1: import svgwrite"),
]
WORDS = ["a", "an", "the", "red", "blue", "green", "circle", "square", "star", "large", "small", "left", "right", "of"]
WORDS += ["on", "with", "and", "man", "dogs", "running"]
SPICE_JARS = ["stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar", "nashorn-core-15.4.jar"]
SPICE_JARS += [f"asm{part}-7.3.1.jar" for part in ("", "-analysis", "-commons", "-tree", "-util")]


def make_pairs(n: int, seed: int = 0) -> list[tuple[str, list[str]]]:
    """The hard pairs, then random captions that share some words with their one to five references."""
    generator = random.Random(seed)

    def write_text() -> str:
        return " ".join(generator.choices(WORDS, k=generator.randint(1, 12)))

    pairs = list(HARD_PAIRS)
    while len(pairs) < n:
        references = [write_text() for _ in range(generator.randint(1, 5))]
        words = [word if generator.random() < 0.7 else generator.choice(WORDS) for word in references[0].split()]
        pairs.append((" ".join(words), references))
    return pairs[:n]


def make_sample(number: int, references: list[str], **fields: object) -> Sample:
    sample = Sample(f"s{number}", "scenes", "test", f"g{number}", "<svg/>", references)
    for name, value in fields.items():
        setattr(sample, name, value)
    return sample


def make_texts(tokens: list[str], reference_tokens: list[list[str]]) -> Texts:
    """What a text metric sees; texts are taken as tokenised. An empty caption is a failed one."""
    return Texts(
        samples=[make_sample(number, references) for number, references in enumerate(reference_tokens)],
        captions=[
            Caption(f"s{number}", text, "ok" if text else "failed", "" if text else "empty")
            for number, text in enumerate(tokens)
        ],
        tokens=tokens,
        reference_tokens=reference_tokens,
    )


def split_words(pairs: list[tuple[str, list[str]]]) -> Texts:
    """Texts of pairs, tokenised at whitespace: for tests that do without Java."""
    return make_texts(
        [" ".join(caption.split()) for caption, _ in pairs],
        [[" ".join(text.split()) for text in references] for _, references in pairs],
    )


def write_spice_jars(folder: Path) -> Path:
    """A folder with all files that SPICE needs, by name; each is a jar without a class."""
    folder.mkdir()
    for name in SPICE_JARS:
        with zipfile.ZipFile(folder / name, "w") as jar:
            jar.writestr("name", name)
    return folder
