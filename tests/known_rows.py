"""Rows in the layout of known datasets, made by code: what each format reads of them."""

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9v9z"/></svg>'
RECORDS = "style=fill:3,84,76;stroke:None\td=M0,0 L9,9 L0,9 "


def unisvg_row(kind="CSVGUN_description", picture="cat_1.png", ask="What does this icon show?", code=SVG, **changes):
    """A row of UniSVG; those of ISVGUN refer to the picture."""
    question = f"{ask}\n```svg\n{code}\n```" if kind.startswith("CSVGUN") else f"<image>{ask}"
    row = {"q_text": question, "a_text": "A black square.", "type": kind, "image_path": picture}
    return {**row, "keywords": {"category": ["shape"], "colors": {"colors": ["black"]}}, **changes}


def vectorgym_row(number=1, is_chart=False, **changes):
    row = {"svg_id": f"v{number}", "original_svg": SVG, "text_caption": f"Square {number}.", "is_chart": is_chart}
    return {**row, "split": "test", "editing_prompt": "make it red", "editing_target_svg": SVG, **changes}


def turns(*texts, roles=("human", "gpt"), names=("from", "value")):
    return [dict(zip(names, (roles[place % 2], text), strict=True)) for place, text in enumerate(texts)]


# A row of each format, and its id (None: the number of the record), captions and question.
KNOWN = {
    "vectorgym": (vectorgym_row(), ("v1", ["Square 1."], "")),
    "mmsvg": ({"id": "m1", "svg": SVG, "description": "A square."}, ("m1", ["A square."], "")),
    "svgx": (
        {"svg_code": SVG, "name": "square", "blip_caption": "a black square", "source": "x"},
        (None, ["a black square", "square"], ""),
    ),
    "svg_stack": (
        {"Filename": "s.svg", "Svg": SVG, "caption_blip2": "a square", "caption_llava": "The image is a square."},
        ("s.svg", ["a square", "The image is a square."], ""),
    ),
    "alpaca": (
        {"instruction": "Describe the SVG.", "input": SVG, "output": "A square."},
        (None, ["A square."], "Describe the SVG."),
    ),
    "sharegpt": (
        {"conversations": turns(f"What is this?\n{SVG}", "A square.", "And its colour?", "Black.")},
        (None, ["A square."], "What is this?"),
    ),
    "path_records": ({"filename": "p", "xml": RECORDS, "caption": "a triangle"}, ("p", ["a triangle"], "")),
}
