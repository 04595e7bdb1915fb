"""SPICE 1.0 (Anderson et al., 2016) as a Java program: which files it needs, and one run of it.

pycocoevalcap brings the program, and fetches its parser, Stanford CoreNLP, into the package's own folder when it is
first used. Here the user puts those files into a folder and names it; nothing is fetched, and the program writes into
a temporary folder only. It differs from pycocoevalcap's call in what the bundled Java asks for: no cache of parses (the
library that writes it needs a Java below 17), and Nashorn beside it, since SPICE writes its result by JavaScript, which
Java has not brought since version 15.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from core.command import InputError
from models.files import file_digest
from scoring.java_tools import find_part, start_java

SPICE_JAR = "spice/spice-1.0.jar"
SPICE_CLASS = "edu.anu.spice.SpiceScorer"
# The memory of pycocoevalcap's call, since a parse of a long caption takes gigabytes; and the second compiler, since
# this run is long.
RUN_OPTIONS = ("-Xmx8G", "-XX:TieredStopAtLevel=4")
PARSER_JARS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
SCRIPT_JARS = (
    "nashorn-core-15.*.jar",
    *("asm-[0-9]*.jar", "asm-analysis-*.jar", "asm-commons-*.jar", "asm-tree-*.jar", "asm-util-*.jar"),
)
WHERE_FROM = (
    f"{' and '.join(PARSER_JARS)} from https://nlp.stanford.edu/software/stanford-corenlp-full-2015-12-09.zip; "
    "the jars nashorn-core (15.x) and asm, asm-analysis, asm-commons, asm-tree, asm-util from Maven Central, "
    "as https://github.com/openjdk/nashorn says"
)


def find_jars(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """The one jar of the folder for each pattern. Raises InputError that names what is missing, broken or doubled."""
    if not folder.is_dir():
        raise InputError(f"the folder {folder} does not exist; make it and put there {WHERE_FROM}")
    found = {pattern: sorted(folder.glob(pattern)) for pattern in patterns}
    wrong = [f"{pattern} is missing" for pattern, jars in found.items() if not jars]
    wrong += [f"{pattern} is there {len(jars)} times" for pattern, jars in found.items() if len(jars) > 1]
    wrong += [f"{jar.name} is no whole jar" for jars in found.values() for jar in jars if not zipfile.is_zipfile(jar)]
    if wrong:
        raise InputError(f"{folder}: {', '.join(wrong)}; put there {WHERE_FROM}")
    return [jar for jars in found.values() for jar in jars]


def check_folder(folder: Path) -> None:
    """Raise InputError unless the folder has all jars that SPICE needs beside its own."""
    find_jars(folder, (*PARSER_JARS, *SCRIPT_JARS))


def digest_jars(folder: Path) -> str:
    """One digest of SPICE's own jar and the parser's, which are what makes its scores; in hexadecimal digits."""
    jars = [Path(find_part(SPICE_JAR)), *find_jars(folder, PARSER_JARS)]
    return hashlib.sha256("\n".join(f"{jar.name} {file_digest(jar)}" for jar in jars).encode()).hexdigest()


def spice_f_scores(
    captions: Sequence[str], references: Sequence[Sequence[str]], folder: Path, timeout_seconds: float | None = None
) -> list[float]:
    """SPICE's F of each caption against all its references together, in [0, 1].

    Texts are PTB-tokenised and not empty, as pycocoevalcap gives them. `folder` has the jars (see `check_folder`). The
    time limit is generous by default: 10 minutes, and 10 seconds a text. Raises InputError where Java fails, takes
    longer, or does not answer with a number for each caption.
    """
    check_folder(folder)
    if not captions:
        return []
    if timeout_seconds is None:
        timeout_seconds = 600.0 + 10.0 * sum(1 + len(texts) for texts in references)
    records = [
        {"image_id": row, "test": caption, "refs": list(texts)}
        for row, (caption, texts) in enumerate(zip(captions, references, strict=True))
    ]
    with tempfile.TemporaryDirectory(prefix="spice-") as scratch:
        question, answer = Path(scratch, "captions.json"), Path(scratch, "scores.json")
        question.write_text(json.dumps(records), encoding="ascii")
        arguments = [*RUN_OPTIONS, f"-Djava.io.tmpdir={scratch}", *class_options(folder), SPICE_CLASS, str(question)]
        arguments += ["-out", str(answer), "-subset", "-silent", "-threads", "1"]
        start_java("SPICE", arguments, b"", timeout_seconds, f"{len(records)} captions", folder=scratch)
        return read_f_scores(answer, len(records))


def class_options(folder: Path) -> list[str]:
    """Java options that give SPICE its classes. Nashorn is a module and must be loaded as one."""
    classes = [find_part(SPICE_JAR), *(str(jar.resolve()) for jar in find_jars(folder, PARSER_JARS))]
    modules = [str(jar.resolve()) for jar in find_jars(folder, SCRIPT_JARS)]
    return [
        *("--module-path", os.pathsep.join(modules), "--add-modules", "org.openjdk.nashorn"),
        *("-cp", os.pathsep.join(classes)),
    ]


def read_f_scores(path: Path, n: int) -> list[float]:
    """The F over all tuples of each of n captions from SPICE's result, in the order of their numbers.

    The result is a list of `{"image_id": 0, "scores": {"All": {"f": 0.5, "pr": …, "re": …, "tp": …, …}, …}}`.
    """
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
        scores = {record["image_id"]: float(record["scores"]["All"]["f"]) for record in records}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"SPICE gave no result that can be read ({type(error).__name__}: {error})") from error
    if len(records) != n or sorted(scores) != list(range(n)):
        raise InputError(f"SPICE answered for {len(records)} captions, and {n} were asked for")
    if not all(math.isfinite(score) and 0.0 <= score <= 1.0 for score in scores.values()):
        raise InputError("SPICE gave an F outside 0 to 1")
    return [scores[row] for row in range(n)]
