"""What the page is told of a drawing: events, dictionaries that JSON can hold.

| event      | holds                                                                                       |
|------------|---------------------------------------------------------------------------------------------|
| drawing    | the canonical text, the picture or why there is none, flags, measures, references           |
| rejected   | why a file is no drawing                                                                    |
| raw        | the beginning of the text as it was given, and its length; null where it is not there       |
| tokens     | tokens of the raw and of the canonical text, by the tokenizer of each base                  |
| neighbours | the nearest train drawings, by code or by picture, or why there are none                    |
| working    | a system, and whether its model is being loaded                                             |
| caption    | what a system wrote, its times, and, of a test sample, what the experiment has of it        |
| obstacle   | why a system could not write after all                                                      |
| done       | the time of the whole                                                                       |
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

from core.records import Caption
from page.drawings import Drawing
from page.neighbours import Neighbour
from report.flag_words import explain_flag

Event = dict[str, Any]
Tell = Callable[[Event | None], None]  # None at the end

MOST_RAW = 200_000  # characters of a raw text that the page is sent


def drawing_event(drawing: Drawing, seconds: float) -> Event:
    """The drawing as models get it."""
    sample, image = drawing.sample, drawing.image
    return {
        "event": "drawing",
        "id": None if drawing.is_given else sample.id,
        "xml": sample.xml,
        "png": None if image.png is None else base64.b64encode(image.png).decode(),
        "size": image.width,
        "fault": image.fault,
        "flags": [flag_entry(flag) for flag in dict.fromkeys((*sample.flags, *image.flags))],
        "measures": {
            "characters": sample.n_chars,
            "shapes": sample.n_shapes,
            "commands": sample.n_commands,
            "colours": sample.n_colours,
        },
        "references": sample.references,
        "seconds": round(seconds, 3),
    }


def flag_entry(flag: str) -> dict[str, str]:
    """A flag with words that explain it, where there are any."""
    words = explain_flag(flag)
    return {"flag": flag, "words": "" if words == flag else words}


def raw_event(raw: str | None, reason: str = "") -> Event:
    """The text of a drawing as it was given."""
    return {"event": "raw", "text": raw and raw[:MOST_RAW], "length": raw and len(raw), "reason": reason}


def neighbours_event(by: str, neighbours: Sequence[Neighbour], reason: str = "") -> Event:
    """The nearest train drawings, by code or by picture."""
    shown = [
        {
            "id": one.sample.id,
            "xml": one.sample.xml,
            "references": one.sample.references,
            "similarity": round(one.similarity, 4),
        }
        for one in neighbours
    ]
    return {"event": "neighbours", "by": by, "drawings": shown, "reason": reason}


def caption_event(system: str, caption: Caption, seconds: float, in_run: Caption | None) -> Event:
    """What a system wrote in `seconds`, loading its model included; `in_run` is the experiment's own caption."""
    own = seconds if caption.seconds is None else caption.seconds
    return {
        "event": "caption",
        "system": system,
        "caption": caption.caption,
        "reason": caption.reason,
        "is_cut": caption.finish_reason == "length",
        "seconds": round(own, 3),
        "loading": round(max(0.0, seconds - own), 3),
        "prompt_tokens": caption.n_prompt_tokens,
        "tokens_removed": caption.n_xml_tokens_removed,
        "in_run": in_run and {"caption": in_run.caption, "is_same": in_run.caption == caption.caption},
    }


def run_event(system: str, caption: Caption) -> Event:
    """The experiment's own caption of a test sample, by a system that cannot run here."""
    return {"event": "in_run", "system": system, "caption": caption.caption, "reason": caption.reason}
