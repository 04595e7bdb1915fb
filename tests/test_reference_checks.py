"""Reference captions: junk, cut ends, other languages and lengths are told apart from good ones."""

import pytest

from samples.reference_checks import ReferenceChecks, check_reference, keep_references
from svg.label_leakage import find_leaked_words

CHECKS = ReferenceChecks(max_words=30)


@pytest.mark.parametrize(
    "text",
    [
        "dog",
        "smiling face with open mouth",
        "small red circle left of large blue square",
        "The image depicts symbols.",
        'The image depicts a shield. It has three stripes, and the letters "C" and "A".',
        "The image depicts a paper with lines on it.",
        "a box of import and export goods",
        "stop sign: no entry",
        "Step on the scale.",
        "a page with the name cat.svg",
        "document labelled report 2.pdf",
        "A red button opens cat.svg",
        "red folder, cat.svg and dog.png inside",
        "two sheets of paper beside each other reading cat.svg",
        "document icon .png",
        "A sign. It reads www.example.org in white.",
        "a clock (e.g. for the wall)",
        "Red dot. Red dot.",
        "a board for chess in brown (wood)",
        "a face that says sorry, I love you",
        "the letter 猫 in a red box",
    ],
)
def test_a_good_caption_has_no_flag(text):
    assert check_reference(text, CHECKS) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("The image depicts .", "junk"),
        ("The image depicts import requests", "junk"),
        ("The image depicts step 1: Identify the geometric shape in the image.", "junk"),
        ("[GENERATION_FAILED]", "junk"),
        ("n/a", "junk"),
        ("style=fill:3,84,76;stroke:None d=M0,0 L9,9", "junk"),
        ("12, 34, 56", "junk"),
        ("import numpy as np", "junk"),
        ("for i in range(10):", "junk"),
        ("plt.show()", "junk"),
        ("```python\nx\n```", "junk"),
        ("https://example.org/a-red-cat", "junk"),
        ("The image depicts cat.svg", "junk"),
        ("my cat.svg", "junk"),
        ("IMG 001.PNG", "junk"),
        ("my cat (1).svg", "junk"),
        ("Screen Shot 2024-01-31 at 10.00.00 AM.png", "junk"),
        ("Untitled-1", "junk"),
        ("I'm sorry, I can't help with that.", "junk"),
        ("A cat sits on a mat. A cat sits on a mat.", "junk"),
        ("一只坐着的黑色猫", "language"),
        ("赤い円", "language"),
        ("แมวสีดำนั่งอยู่บนเก้าอี้", "language"),
        ("the red circle the red circle the red circle the red circle", "junk"),
        ("The image depicts a black tablet. Its screen displays a dollar sign (", "cut_off"),
        ("The image depicts the control panel. It has a red dot, which is likely the play", "cut_off"),
        ("a box with a", "cut_off"),
        (
            "L'immagine rappresenta una figura geometrica composta da diversi rettangoli e quadrati di dimensioni "
            "variabili. La figura è disegnata con linee spesse",
            "language",
        ),
        ('The image depicts a symbol. It is in the middle of the "', "cut_off"),
        ("word " * 31, "long"),
    ],
)
def test_a_bad_caption_is_flagged(text, kind):
    assert kind in check_reference(text, CHECKS)


@pytest.mark.parametrize(
    ("text", "language", "foreign"),
    [("一只黑色猫", "zh", False), ("東京", "ja", False), ("赤い円", "ja", False), ("赤い円", "zh", True)],
)
def test_scripts_without_spaces_are_judged_by_their_letters(text, language, foreign):
    assert ("language" in check_reference(text, ReferenceChecks(language=language))) == foreign


def test_what_is_dropped_is_a_setting():
    references = ["a dog", "The image depicts ."]
    assert keep_references(references, ReferenceChecks()) == (["a dog"], {"junk"})
    assert keep_references(references, ReferenceChecks(drop=[])) == (references, {"junk"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('<svg><g id="redTractor_front"/></svg>', {"tractor"}),
        ('<svg><title>A tractor</title><path class="farm-machine"/></svg>', {"tractor", "farm"}),
        ('<svg><circle fill="red"/><path stroke-linejoin="round" d="M0 0h9"/></svg>', set()),
        ("<svg><!-- TRACTOR --></svg>", {"tractor"}),
        ('<svg><g id="farmer"/><g class="subtractors"/></svg>', set()),
    ],
)
def test_words_of_the_caption_are_found_in_names_and_texts(text, words):
    assert find_leaked_words(text, ["A red tractor on a farm, a circle of stroke"]) == words


@pytest.mark.parametrize("text", ["<text>кошка</text>", '<g id="чёрнаяКошка_1"/>', "<text>КОШКА</text>"])
def test_words_of_other_alphabets_are_found(text):
    assert "кошка" in find_leaked_words(text, ["кошка сидит"])


@pytest.mark.parametrize(
    ("drawn", "reference", "words"),
    [
        ("猫", "一只黑色的猫", {"猫"}),
        ("黑猫图标", "一只猫坐在椅子上", {"猫"}),
        ("机器人头像", "微笑的机器人", {"机器", "器人"}),
        ("清洁机器人", "一个机器人", {"机器", "器人"}),
        ("猫の絵", "黒い猫が座っている", {"猫"}),
        ("ねこ", "くろいねこがいる", {"ねこ"}),
        ("ネコ", "黒いネコが座っている", {"ネコ"}),
        ("แมว", "แมวสีดำนั่งอยู่บนเก้าอี้", {"แมว"}),
        ("เก้าอี้", "แมวสีดำนั่งอยู่บนเก้าอี้", {"เก้าอี้"}),
        ("고양이", "검은 고양이가 앉아 있다", {"고양이"}),
    ],
)
def test_words_of_scripts_without_spaces_are_found(drawn, reference, words):
    assert find_leaked_words(f'<text id="x">{drawn}</text>', [reference]) == words
    assert find_leaked_words(f'<g id="{drawn}_1"/>', ["no", reference]) == words


@pytest.mark.parametrize(
    ("drawn", "reference"),
    [
        ("猫", "一只狗"),
        ("一、二、三。１２３", "三只猫，第二只是黑色的。有１２３个"),
        ("2024年1月1日", "月亮和太阳，一年中的一日"),
        ("图层1 黑色 圆形 路径", "黑色的圆形图标"),
        ("走っている", "犬が座っている"),
        ("レイヤー1 グループ", "レイヤーとグループのアイコン"),
        ("๑๒๓ ๆ", "แมว ๑๒๓ ตัว ๆ"),
        ("รูป", "รูปแมว"),
        ("그림 1", "고양이 그림"),
        ("。、！？「」ー", "「猫」がいる。、！？ー"),
        ("12 34 fill path", "12 cats, 34 dogs"),
    ],
)
def test_numbers_signs_and_frequent_words_of_any_script_are_no_leakage(drawn, reference):
    assert find_leaked_words(f"<text>{drawn}</text>", [reference]) == set()
