"""What is wrong with captions: each flag on captions of the kinds that experiments brought, and not on sound ones."""

from __future__ import annotations

import pytest

from captions.health import FLAGS, HealthSettings, diagnose, loops
from captions.languages import common_language, detect_language
from core.json_settings import settings_from_json
from core.records import Caption, Sample
from plan.schema import default_settings

SENTENCES = [
    "The image depicts a red circle on a white background. It has a thick black border.",
    "The drawing shows two blue squares, one above the other. Both of them are filled.",
    "The picture shows a stylised house with a pointed roof. Its door is green.",
    "The image depicts a black arrow that points to the right. Its tip is sharp.",
    "The drawing shows a yellow star with five points. There is nothing beside it.",
]
DEFAULTS = HealthSettings(**default_settings("health"))


def samples_of(references: list[str]) -> list[Sample]:
    return [Sample(f"s{n}", "mine", "test", f"g{n}", "<svg/>", [text]) for n, text in enumerate(references)]


def flags_of(
    captions: list[str | Caption], references: list[str] = SENTENCES, instruction: str = ""
) -> list[list[str]]:
    """The flags of each caption; the references are repeated as often as needed."""
    records = [Caption(f"s{n}", one) if isinstance(one, str) else one for n, one in enumerate(captions)]
    samples = samples_of([references[n % len(references)] for n in range(len(records))])
    diagnoses, _ = diagnose(records, samples, instruction, DEFAULTS)
    return [diagnosis.flags for diagnosis in diagnoses]


def flags_among_sound_ones(caption: str | Caption, instruction: str = "") -> list[str]:
    """The flags of a caption of a system that writes well otherwise."""
    return flags_of([*SENTENCES[1:], caption], [*SENTENCES[1:], SENTENCES[0]], instruction)[-1]


def test_sound_captions_have_no_flag():
    assert flags_of([*SENTENCES[1:], SENTENCES[0]]) == [[]] * 5


@pytest.mark.parametrize("text", ["", " \n "])
def test_a_caption_without_text_is_empty_and_nothing_else(text):
    assert flags_among_sound_ones(text) == ["empty"]


@pytest.mark.parametrize("text", ["[GENERATION_FAILED]", "[no caption detected]", "<failed>", "N/A", "nan", "None."])
def test_failure_markers(text):
    assert "failure_marker" in flags_among_sound_ones(text)


def test_a_caption_with_a_remark_in_brackets_is_no_failure():
    assert flags_among_sound_ones("The image depicts a sign [a circle with a bar] on a white wall.") == []


@pytest.mark.parametrize(
    "text", ["ck border and a white interior. The rectangle is wide.", ", which is round. It is red."]
)
def test_cut_at_the_front(text):
    assert flags_among_sound_ones(text) == ["cut_at_front"]


def test_a_system_that_writes_small_letters_and_no_stops_is_not_cut():
    captions = ["a red circle with a border", "two blue squares above one another", "a house with a roof"]
    assert flags_of([*captions, "an arrow that points to the right", "a yellow star with five points"]) == [[]] * 5


def test_a_reason_to_finish_decides_what_is_cut_at_the_end():
    text = "The image depicts a red circle. It has a thick"
    assert flags_among_sound_ones(text) == ["cut_at_end"]
    assert flags_among_sound_ones(Caption("s4", text, finish_reason="eos")) == []
    assert flags_among_sound_ones(Caption("s4", SENTENCES[1], finish_reason="length")) == ["cut_at_end"]


def test_names_without_stops_as_references_hold_nobody_to_stops():
    names = ["red circle", "blue square", "arrow up", "star", "house"]
    assert flags_of(["red circle", "Blue square", "arrow", "star", "house"], names) == [[]] * 5


@pytest.mark.parametrize(
    "text",
    [
        "Describe this drawing: the image shows a red circle on a white background.",
        "<|im_start|>assistant\nThe image shows a red circle on a white background.",
        "[INST] The image shows a red circle. [/INST] It is on a white background.",
    ],
)
def test_prompt_echo(text):
    assert flags_among_sound_ones(text, "Describe this drawing.") == ["prompt_echo"]


@pytest.mark.parametrize(
    "text",
    [
        'The image is <path d="M1 2h3"/> and so on.',
        "The image is style=fill:3,84,76;stroke:None and so on.",
        "The image has M11,471 A14,28,0,1,0,40,471 in its path data.",
        "The image has m4 5h3v2l-4 1z as its outline.",
        "300,208",
        "3",
    ],
)
def test_svg_echo(text):
    assert "svg_echo" in flags_among_sound_ones(text)


@pytest.mark.parametrize(
    "text",
    [
        'The image depicts a stylised letter "A" above the number 24 on a white background.',
        "The picture shows the H2O molecule, Q1 2024 sales, and a 4 x 4 grid of circles.",
        "The drawing shows 3 < 4 and 5 > 2 as black digits on a white board.",
    ],
)
def test_letters_and_numbers_in_a_caption_are_no_svg(text):
    assert flags_among_sound_ones(text) == []


def test_another_language_is_found_where_it_is_sure():
    assert flags_among_sound_ones("L'immagine rappresenta un cerchio rosso su sfondo bianco, con bordi neri.") == [
        "wrong_language"
    ]
    assert flags_among_sound_ones("Una casa con tetto.") == []  # four words are too few to be sure
    assert detect_language("Una casa con tetto.").probability < 0.7


def test_the_expected_language_is_that_of_the_references_or_the_one_given():
    assert common_language(SENTENCES, 0.7) == "en"
    assert common_language(["..."], 0.7) is None
    settings = HealthSettings(**{**default_settings("health"), "language": "it"})
    diagnoses, expected = diagnose([Caption("s0", SENTENCES[0])], samples_of(SENTENCES[:1]), "", settings)
    assert expected == "it"
    assert diagnoses[0].flags == ["wrong_language"]


@pytest.mark.parametrize(
    "text",
    [
        "The image is a stylised representation of a stylised representation of a stylised representation of a star.",
        "The circle circle circle circle circle circle is red.",
        "The circle is very red. It is round. The circle is very red. It is big. The circle is very red.",
    ],
)
def test_repetition(text):
    assert flags_among_sound_ones(text) == ["repetition"]


def test_a_loop_needs_three_rounds_and_six_words():
    assert loops(["a", "b"] * 3)
    assert not loops(["a", "b"] * 2)
    assert not loops(["very"] * 5)
    assert not loops(["a", "b", "x", "a", "b", "y", "a", "b"])


def test_a_caption_of_many_samples_is_identical_but_not_where_it_is_right():
    captions = ["The image depicts a black circle."] * 4 + ["The drawing shows a large yellow star."]
    references = ["The image depicts a black circle.", *SENTENCES[1:4], "The drawing shows a large yellow star."]
    assert flags_of(captions, references) == [[], ["identical"], ["identical"], ["identical"], []]


def test_length_is_judged_by_the_references():
    assert flags_among_sound_ones("It.") == ["too_short"]
    assert flags_among_sound_ones(" ".join(f"The object {n} is round." for n in range(30))) == ["too_long"]
    diagnosis = diagnose(
        [Caption("s0", "three small words")], samples_of(["six words stand in this reference"]), "", DEFAULTS
    )
    assert diagnosis[0][0].length_ratio == 0.5


def test_every_flag_has_a_tolerated_rate_in_the_configuration():
    assert set(default_settings("health")["max_rates"]) == set(FLAGS)
    assert settings_from_json(HealthSettings, "{}", "health").max_rates == {}
