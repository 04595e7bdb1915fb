"""From a raw record to a sample: read its drawing, check its captions, write the canonical text, run the render check.

`process_record` is what a worker does with one record. Each fault becomes a `Rejection` with the reason,
or a flag of the sample:

| flag | meaning |
|---|---|
| path_records | the drawing was a list of path records |
| repaired:<what> | something was repaired (svg/repair.py, svg/parse.py, svg/references.py, svg/bytes.py) |
| removed:<what> | content was taken out: external references, scripts, HTML, embedded files (svg/guard.py) |
| animated | the drawing is animated: its text is that before the animation begins |
| unresolved:<what> | a property of CSS that could not be resolved, and is not drawn (svg/resolve.py) |
| kept_safe:<what> | the compact level cannot write it: its text is of level safe |
| fell_back:<level> | the picture of that level's text differed too much: a milder level was taken |
| render_check_failed | the drawing could not be rendered, or no level's text renders like it |
| render_failed:<reason> | the drawing could not be rendered: why |
| blank | nothing is visible on a white background |
| has_text | it contains drawn text |
| label_leakage_removed | label leakage was removed: the drawing has words of a reference, its text has not |
| label_leakage_left | label leakage is left in its text |
| caption:<kind> | something is wrong with a reference (samples/reference_checks.py) |
| caption:encoding | the text beside the drawing is in no Unicode: Western European was assumed |
| caption:not_text | what the record has beside its captions is no text, and was left out |
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from lxml import etree

from core.records import SPLITS, Rejection, Sample
from readers.entries import RawRecord
from samples.fingerprints import Fingerprint, take_fingerprint
from samples.reference_checks import ReferenceChecks, keep_references
from samples.render_check import Difference, compare_pictures, draw_picture
from svg.bytes import decode_drawing
from svg.canonical import LEVELS, Drawing, RepairedDrawing, read_drawing, write_level
from svg.guard import Refused
from svg.label_leakage import find_leaked_words
from svg.parse import Unusable

SECONDS_LIMIT = 10  # of a worker for one drawing; an icon takes milliseconds
MEMORY_LIMIT_MB = 768
REWRITING = ("compact", "path_records")
UNCHANGED_MAX_CELL_DIFFERENCE = 2.0  # of 255, for levels that rewrite nothing


@dataclass(frozen=True)
class Settings:
    """How drawings are rewritten and render-checked; the keys of `preprocess` in the configuration."""

    canvas: int = 512
    precision: int = 0
    level: str = "compact"
    use: str = "flatten"
    render_check: bool = True
    max_difference: float = 4.0
    max_cell_difference: float = 32.0
    min_similarity: float = 0.92

    def allows(self, difference: Difference, level: str) -> bool:
        """Whether a text may differ so much from its drawing; levels that rewrite nothing have a smaller limit."""
        if level in REWRITING:
            return (
                difference.mean_absolute <= self.max_difference
                and difference.worst_cell <= self.max_cell_difference
                and difference.similarity >= self.min_similarity
            )
        return difference.worst_cell <= UNCHANGED_MAX_CELL_DIFFERENCE


@dataclass(frozen=True)
class Made:
    """A sample, the fingerprint of its picture where it was drawn, and the leaked words that are left in its text."""

    sample: Sample
    fingerprint: Fingerprint | None
    leaked_words: tuple[str, ...] = ()


@dataclass
class CheckedDrawing:
    """The text of a drawing that was compared with it, its picture, and flags of the comparison."""

    drawing: Drawing
    picture: np.ndarray | None = None
    flags: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class MadeFile:
    """A file that was read: its text, the canonical drawing, and the flags of all steps."""

    text: str
    drawing: Drawing
    flags: list[str]


def process_file(data: bytes, settings: Settings) -> MadeFile:
    """The canonical drawing of a file's bytes. Raises Undecodable or Unusable."""
    text, repairs = decode_drawing(data)
    checked = write_checked(read_drawing(text), settings)
    return MadeFile(text, checked.drawing, sorted({*repairs, *checked.drawing.flags, *checked.flags}))


def process_record(
    record: RawRecord, source: str, settings: Settings, checks: ReferenceChecks, max_chars: int | None
) -> Made | Rejection:
    """The sample of a raw record, or why there is none."""
    try:
        return make_sample(record, source, settings, checks, max_chars)
    except Unusable as reason:
        return Rejection(source, record.id, record.position, str(reason))
    except (ArithmeticError, RecursionError, MemoryError) as error:
        # Numbers out of all bounds in hostile drawings; the record is listed with the reason.
        return Rejection(source, record.id, record.position, f"cannot be computed ({type(error).__name__}: {error})")


def make_sample(
    record: RawRecord, source: str, settings: Settings, checks: ReferenceChecks, max_chars: int | None
) -> Made:
    """The sample of a raw record. Raises Unusable with the reason."""
    if record.fault or not (record.drawing or "").strip():
        raise Unusable(record.fault or "no drawing")
    if not record.captions:
        raise Unusable("no caption")
    if record.split and record.split not in SPLITS:
        raise Unusable(f"unknown split {record.split!r}; it is one of {', '.join(SPLITS)}")
    references, kinds = keep_references(record.captions, checks)
    if not references:
        raise Unusable(f"no usable caption ({', '.join(sorted(kinds & set(checks.drop)))})")
    repaired = read_drawing(record.drawing or "")
    checked = write_checked(repaired, settings, max_chars)
    drawing = checked.drawing
    leaked_words = find_leaked_words(drawing.xml, references)
    flags = {*record.flags, *drawing.flags, *checked.flags, *(f"caption:{kind}" for kind in kinds)}
    if leaked_words:
        flags.add("label_leakage_left")
    elif find_leaked_words(record.drawing or "", references):
        flags.add("label_leakage_removed")
    sample = Sample(
        id=record.id,
        source=source,
        split=record.split,
        group=record.group or record.id,
        xml=drawing.xml,
        references=references,
        flags=sorted(flags),
        n_chars=len(drawing.xml),
        n_shapes=drawing.n_shapes,
        n_commands=drawing.n_commands,
        n_colours=drawing.n_colours,
        question=record.question,
    )
    fingerprint = None if checked.picture is None else take_fingerprint(checked.picture)
    return Made(sample, fingerprint, tuple(sorted(leaked_words)))


def write_checked(repaired: RepairedDrawing, settings: Settings, max_chars: int | None = None) -> CheckedDrawing:
    """The text of a drawing at the level of the settings, or at the next milder one that draws the same picture.

    What is longer than `max_chars` takes no part later on, and is not rendered. Raises Unusable.
    """
    drawing = write_level(repaired, settings.canvas, settings.precision, settings.level, settings.use)
    if not settings.render_check or (max_chars is not None and len(drawing.xml) > max_chars):
        return CheckedDrawing(drawing)
    try:
        expected = draw_picture(etree.tostring(repaired.root, encoding="unicode"))
    except (Refused, ValueError) as reason:
        return CheckedDrawing(drawing, flags=flags_of_failure(reason))
    flags: set[str] = set()
    for level in LEVELS[settings.level]:
        if flags:  # the one before drew another picture
            if level == drawing.level:
                continue  # it was written at this level, since the compact level cannot express it
            drawing = write_level(repaired, settings.canvas, settings.precision, level, settings.use)
        try:
            picture = draw_picture(drawing.xml)
        except ValueError as reason:
            return CheckedDrawing(drawing, flags=flags | flags_of_failure(reason))
        if settings.allows(compare_pictures(expected, picture), drawing.level):
            break
        flags.add(f"fell_back:{drawing.level}")
    else:
        flags.add("render_check_failed")
    if picture.min() == 255:
        flags.add("blank")
    return CheckedDrawing(drawing, picture, flags)


def flags_of_failure(reason: Exception) -> set[str]:
    """The flags of a drawing that could not be rendered."""
    return {"render_check_failed", f"render_failed:{str(reason)[:60]}"}
