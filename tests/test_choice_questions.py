"""Files of multiple-choice questions: what a row may say, what is refused with its line, and the order of options."""

import json
from collections import Counter

import pytest

from core.command import InputError
from scoring.choice_questions import ChoiceQuestion, read_questions

ROW = {"id": "a", "question": "What colour?", "options": ["red", "blue", "tan"], "answer": "blue", "subject": "colour"}
ASKED = ChoiceQuestion("a", "What colour?", ("red", "blue", "tan"), 1, "colour")


def write(folder, *rows, name="questions.jsonl"):
    path = folder / name
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


@pytest.mark.parametrize("answer", ["blue", " Blue ", "B", 1])
def test_an_answer_is_a_text_a_letter_or_a_place(tmp_path, answer):
    assert read_questions(write(tmp_path, ROW | {"answer": answer}), {}).questions == (ASKED,)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("id,question,options,answer,subject\na,What colour?,red | blue|tan,B,colour\n", {}),
        ('id,question,options,answer,subject\na,What colour?,"[""red"", ""blue"", ""tan""]",blue,colour\n', {}),
        (
            "Key;Q;A;B;C;D;Right;Kind\na;What  colour?;red;blue;tan;;B;colour\n",
            {
                **{"id": "Key", "question": "Q", "options": ["A", "B", "C", "D"]},
                **{"answer": "Right", "subject": "Kind"},
            },
        ),
    ],
)
def test_tables_have_options_in_one_cell_or_in_several(tmp_path, text, names):
    path = tmp_path / "questions.csv"
    path.write_text(text)
    found = read_questions(path, names)
    assert found.questions == (ASKED,)
    assert found.digest == read_questions(write(tmp_path, ROW), {}).digest, "of the questions and not of the file"
    assert found.facts == {"questions": found.digest[:12], "options": "3"}


def test_a_digit_is_an_option_and_a_number_a_place(tmp_path):
    counts = ROW | {"options": ["1", "2", "3"]}
    assert read_questions(write(tmp_path, counts | {"answer": "2"}), {}).questions[0].answer == 1
    with pytest.raises(InputError, match=r"line 1: the answer 2 is by its text '2' and by its place '3'; change it or"):
        read_questions(write(tmp_path, counts | {"answer": 2}), {})


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (
            ROW | {"answer": "green"},
            "the answer 'green' is none of the options (red, blue, tan); give an option's text",
        ),
        (ROW | {"answer": "D"}, "the answer 'D' is none of the options"),
        (ROW | {"answer": 3}, "the answer 3 is none of the options"),
        (ROW | {"answer": None}, "the answer None is none of the options"),
        (ROW | {"answer": True}, "the answer True is none of the options"),
        (ROW | {"options": ["B", "A"], "answer": "A"}, "the answer 'A' is by its text 'A' and by its letter 'B'"),
        (ROW | {"options": ["red", "Red "]}, "the option 'Red' is there twice; change or remove one"),
        (ROW | {"options": ["blue"]}, "1 options (blue); give 2 to 26, as a list of texts"),
        (ROW | {"options": ["blue", ""]}, "an option is empty; fill it in, or remove it"),
        (ROW | {"options": [1, 2]}, "the option 1 is no text; write it in quotes"),
        (ROW | {"id": None}, "its id is empty; fill it in, or remove the row"),
        (ROW | {"question": " "}, "its question is empty"),
        ({"id": "a", "question": "?", "choices": []}, "no field 'options'; there are: id, question, choices"),
        ("{", "not JSON"),
    ],
)
def test_a_row_that_is_no_question_is_refused_with_its_line_and_what_to_do(tmp_path, row, fault):
    path = write(tmp_path, ROW | {"id": "other"}, row)
    with pytest.raises(InputError) as error:
        read_questions(path, {})
    assert str(error.value).startswith(f"{path}, line 2: {fault}")


def test_a_question_is_asked_once_about_a_drawing(tmp_path):
    path = write(
        tmp_path, ROW, ROW | {"id": "b"}, ROW | {"question": "what  Colour?", "options": ["x", "y"], "answer": 0}
    )
    with pytest.raises(InputError, match="line 3: 'a' is asked 'what Colour\\?' already, in line 1; keep one of them"):
        read_questions(path, {})
    path.write_text("[]")
    with pytest.raises(InputError, match="holds no question; give it rows of id, question, options, answer"):
        read_questions(path, {})


def test_the_order_of_options_is_drawn_for_each_question_and_stays():
    asked = [ChoiceQuestion(f"d{n}", "Where?", ("a", "b", "c", "d"), 0) for n in range(400)]
    firsts = Counter(one.ordered()[0] for one in asked)
    assert sorted(firsts) == [0, 1, 2, 3]
    assert min(firsts.values()) > 70, "no place is favoured"
    one = ChoiceQuestion("d0", "Where?", ("d", "c", "b", "a"), 0)
    shown = [one.options[place] for place in one.ordered()]
    assert shown == [asked[0].options[place] for place in asked[0].ordered()], "whatever their order in the file"
    assert [one.options[place] for place in one.ordered(1)] == [*shown[1:], shown[0]]
