"""Path records that were cut off: what can be drawn is drawn, and what was left out is named."""

import pytest

from svg.canonical import LEVELS, canonicalise
from svg.path_records import convert_path_records

WHOLE = "style=fill:1,2,3\td=M0,0 L300,0 L300,300 Z"
CUT = "style=fill:200,2,3;stroke:No"


@pytest.mark.parametrize("text", [f"{WHOLE}\n{CUT}", f"{CUT}\n{WHOLE}", f"{WHOLE}\n{CUT}\n{WHOLE}"])
@pytest.mark.parametrize("level", LEVELS)
def test_a_record_that_was_cut_in_its_style_is_named(text, level):
    drawing = canonicalise(text, 512, 0, level)
    assert "repaired:cut_path" in drawing.flags
    assert drawing.n_colours == canonicalise(WHOLE, 512, 0, level).n_colours


def test_a_record_without_outline_takes_none_of_the_next():
    svg = convert_path_records(f"{CUT}\n{WHOLE}")
    assert "200,2,3" not in svg
    assert '<path style="fill:1,2,3" d="M0,0 L300,0 L300,300 Z"/>' in svg


@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize("separator", ["\t", " ", ""])
@pytest.mark.parametrize("end", ["\n", " "])
def test_values_in_quotes_are_read_as_those_without(quote, separator, end):
    paths = [("fill:1,2,3;stroke:None", "M0,0 L300,0 L300,300 Z"), ("fill:200,2,3", "M9,9 L300,9 L9,300 Z")]
    plain = "\n".join(f"style={style}\td={d}" for style, d in paths)
    quoted = end.join(f"style={quote}{style}{quote}{separator}d={quote} {d} {quote}" for style, d in paths)
    assert convert_path_records(quoted) == convert_path_records(plain)
    assert canonicalise(quoted, 512, 0, "compact") == canonicalise(plain, 512, 0, "compact")


@pytest.mark.parametrize(
    "cut",
    [
        'style="fill:1,2,3" d="M0,0 L300,0 L300,300 L7',
        'style="fill:1,2,3" d="',
        "style=fill:1,2,3 d=",
        'style="fill:1,',
    ],
)
def test_a_record_in_quotes_that_was_cut_off_is_named(cut):
    drawing = canonicalise(f"{WHOLE}\n{cut}", 512, 0, "compact")
    assert "repaired:cut_path" in drawing.flags
    assert drawing.n_colours == 1


def test_whole_records_need_no_repair():
    assert "repaired:cut_path" not in canonicalise(f"{WHOLE}\n{WHOLE}", 512, 0, "safe").flags


def test_records_without_any_outline_are_refused():
    with pytest.raises(ValueError, match="without any"):
        convert_path_records(f"{CUT}\n{CUT}")
