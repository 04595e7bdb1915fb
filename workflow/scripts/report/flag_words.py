"""Flags, reasons of rejection and problems of captions in plain words, for people who do not know the workflow.

samples/making.py lists the flags, samples/reference_checks.py the problems of captions.
"""

from __future__ import annotations

# Flags whose words are their own.
FLAGS = {
    "path_records": "the drawing was a list of path records, the form some published models were trained on",
    "animated": "the drawing is animated; it is read as it looks before the animation begins",
    "render_check_failed": "its picture could not be compared with that of the shortened text, or the two differ",
    "dangling_use": "it repeats a part (use) that is not there; nothing is drawn for it",
    "blank": "nothing is visible on a white background",
    "white_on_white": "everything is drawn in the colour of the background",
    "single_colour": "the whole picture has one colour",
    "missing_font": "it names a font that is not there; its text is set in another font",
    "missing_glyph": "its text has a character that no font has",
    "has_text": "it contains drawn text (letters and words)",
    "caption_from_drawing": "its caption was taken from the title or description inside the SVG file",
    "label_leakage_left": "its text contains words of its caption",
    "label_leakage_removed": "its file contained words of its caption, as names of layers; they were removed",
    "duplicate": "another sample has the same drawing, and is the one to keep",
    "near-duplicate": "another drawing is written differently and looks almost the same",
    "in several splits": "a drawing, look, caption or group name is shared across splits (for example train and test)",
    "over the budget": "the drawing has more tokens than the budget",
    "caption:junk": "a caption says nothing, or is no caption: a file name, a web address, code, a refusal",
    "caption:cut_off": "a caption begins or ends in the middle of a sentence",
    "caption:language": "a caption is in another language than English",
    "caption:long": "a caption is far longer than captions usually are",
    "caption:common": "very many drawings have the same caption",
    "caption:encoding": "the caption's file is in no Unicode encoding; Western European was assumed",
    "caption:not_text": "a caption is a number, a list or another thing that is no text; it was left out",
    "repaired:attribute_space": "a missing space between two attributes was added",
    "repaired:bom": "an invisible mark at the start of the file (byte order mark) was removed",
    "repaired:case": "names such as viewBox, written in lower case, were restored",
    "repaired:characters": "characters that XML does not allow were removed",
    "repaired:colour": "a colour written as bare numbers (255,0,0) was read as rgb(255,0,0)",
    "repaired:comments": "a comment that XML does not allow was removed",
    "repaired:cut_off": "the file ends early; its open elements were closed",
    "repaired:cut_path": "a path ends in the middle of a command; the incomplete command was dropped",
    "repaired:doubled_attribute": "an element has one attribute twice; the first was kept",
    "repaired:doubled_d": "path data begin with a second d=; it was removed",
    "repaired:doubled_id": "two elements have one id; the first keeps it, as in browsers",
    "repaired:embedded_image": "an embedded picture has a wrong type or encoding; it was corrected",
    "repaired:encoding": "the text is not in the encoding that the file states; another one was found to fit",
    "repaired:entities": "named characters (such as &nbsp;) were replaced by the characters themselves",
    "repaired:escaped_quotes": "the drawing was written as a string of a program; its quotes were restored",
    "repaired:namespace": "the declaration that makes it an SVG file is missing or incomplete; it was added",
    "repaired:none_colour": "a colour is None or null; it was read as none",
    "repaired:path_tag": "path data have lost their element; it was restored",
    "repaired:reference": "it refers to a part, as a gradient or filter, that is not there; the reference was dropped",
    "repaired:surrounding_text": "prose, HTML or Markdown around the drawing was removed",
    "repaired:viewbox": "the area that the drawing shows is missing or unusable; it was worked out",
    "removed:attribute_default": "default values that a document type declares",
    "removed:embedded_file": "an embedded file that cannot be read as a picture",
    "removed:embedded_svg": "another SVG file embedded as a picture",
    "removed:external_reference": "a reference to a file or web address outside of the drawing",
    "removed:foreignObject": "HTML inside the drawing",
    "removed:script": "a script",
}
# The same for all flags that begin alike; `{}` is what follows the colon.
KINDS = {
    "removed": "the element <{}>, which draws nothing",
    "repaired": "{}",
    "unresolved": "{} is used in a way that the workflow cannot work out; what it would change is not drawn",
    "kept_safe": "what it uses ({}) cannot be written in the short form; the text keeps the longer form",
    "fell_back": "the text of form {} drew another picture; a longer and more careful form was taken",
    "render_failed": "it could not be drawn: {}",
    "caption": "{}",
}
# Reasons of rejection, by how they begin, and what they mean.
REASONS = {
    "no drawing": "The field of the drawing is missing or empty.",
    "no caption": "No caption was found: not in the record, in a table or .txt file beside it, nor in the SVG itself.",
    "no usable caption": "Each of its captions says nothing or is no caption, as a file name, code, or a refusal.",
    "a copy of record": "An earlier record is the same in everything: drawing, captions, split and group.",
    "nothing is drawn": "No shape is left that shows anything.",
    "the drawing has no extent": "Its shapes have no width and no height.",
    "unknown split": "Splits are called train, validation (also valid, val, dev) and test.",
    "not XML": "The text is no well-formed XML, also after the known repairs.",
    "the root element is": "The XML is another kind of file than SVG.",
    "a DTD": "The file declares entities of its own, by which a small file can become huge; such files are not read.",
    "a second DTD": "The file declares entities of its own, by which a small file can become huge; they are not read.",
    "entities that make it": "Entities that the file declares make it longer than the limit.",
    "has a document type": "The file declares entities of its own, by which a small file can become huge.",
    "nothing is left to draw": "Without scripts, HTML and the like, nothing of the drawing is left.",
    "larger than": "The text is longer than the limit that protects the machine.",
    "elements nested": "Elements lie in each other more deeply than the limit that protects the machine.",
    "more than": "The drawing has more parts than the limit that protects the machine.",
    "`use` elements": "Parts repeat each other in a circle, or so often that drawing them would take too long.",
    "took longer than": "Reading or drawing it took too long, and was stopped.",
    "needed more than": "Reading or drawing it took too much memory, and was stopped.",
    "the worker process died": "The library that draws it crashed. The crash was contained, and the audit went on.",
    "cannot be computed": "Its numbers are too large to calculate with.",
    "its rows disagree": "Several rows describe this drawing and name different splits or groups.",
    "not JSON": "This line of the file is not JSON.",
    "not an object with fields": "This entry has no named fields.",
    "not CSV": "This line of the table cannot be read.",
    "a quote begins a cell": "A quotation mark opens a cell of the table and is never closed.",
}


def explain_flag(flag: str) -> str:
    """What a flag says of a sample, in plain words; the flag itself where there are none."""
    kind, _, what = flag.partition(":")
    return FLAGS.get(flag) or (KINDS[kind].format(what.replace("_", " ")) if kind in KINDS and what else flag)


def explain_reason(reason: str) -> str:
    """What a general reason of rejection means; empty where it speaks for itself."""
    return next((words for start, words in REASONS.items() if reason.startswith(start)), "")
