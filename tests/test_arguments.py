"""Options of command lines: every value arrives as it was, also an empty one."""

import shlex

from plan.arguments import Untracked, options


def words(**values):
    return shlex.split(str(options(values)))


def test_empty_values_and_values_like_options_stay_values():
    assert words(clip_note="", title="-draft 2") == ["--clip-note=", "--title=-draft 2"]


def test_quotes_braces_and_other_alphabets_pass_a_shell():
    text = 'it\'s {a} "b" $HOME `ls` ü\n'
    assert words(title=text) == [f"--title={text}"]


def test_flags_lists_and_settings():
    assert words(merge=True, quiet=False, price=None) == ["--merge"]
    assert words(values=("bleu_4", "cider"), limits={"a": {"train": 3}}, fonts=[]) == [
        *("--values", "bleu_4", "cider"),
        '--limits={"a": {"train": 3}}',
        "--fonts=[]",
    ]


def test_untracked_parameters_are_of_no_type_that_snakemake_compares():
    assert not isinstance(options({}), int | float | str | list | tuple | dict | set | bytes)
    assert str(Untracked("x y")) == "x y"
