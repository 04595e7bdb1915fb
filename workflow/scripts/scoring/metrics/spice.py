"""SPICE 1.0 (Anderson et al., 2016): F of objects, attributes and relations, a caption's against its references'.

Java parses the texts into scene graphs; the references of a sample make one graph. SPICE needs files that no Python
package brings and that are not ours to give: `metric_options.spice.folder` names the folder where they lie, and where
one is missing the configuration's fault says which, and from where. The corpus value is the mean of the samples, as in
pycocoevalcap. A caption without words scores 0. Parsing takes a second or more a text, and its time and memory grow
with the cube and the square of the words. So only the first words of a very long caption are parsed; it counts as
truncated.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from scoring import spice_program
from scoring.metrics import TRUNCATED, MeanMetric, Texts, ValueInfo

MAX_WORDS = 200


class Spice(MeanMetric):
    name = "spice"
    needed_files = spice_program.WHERE_FROM
    values: ClassVar = {"spice": ValueInfo("SPICE", 0, 1, radar=False, note="F of objects, attributes and relations")}
    facts: ClassVar = {"version": "1.0", "parser": "corenlp-3.6.0", "synsets": "yes"}

    def values_of_samples(self, texts: Texts) -> dict[str, np.ndarray]:
        scores = np.zeros(len(texts.tokens))
        references = [[text for text in group if text] for group in texts.reference_tokens]
        rows = [row for row, caption in enumerate(texts.tokens) if caption and references[row]]
        captions = [" ".join(texts.tokens[row].split()[:MAX_WORDS]) for row in rows]
        scores[rows] = spice_program.spice_f_scores(captions, [references[row] for row in rows], texts.files)
        truncated = np.array([len(caption.split()) > MAX_WORDS for caption in texts.tokens], dtype=float)
        return {self.name: scores, TRUNCATED: truncated}

    def check_folder(self, folder: Path) -> None:
        spice_program.check_folder(folder)

    def facts_of_folder(self, folder: Path) -> dict[str, str]:
        return {"jars": spice_program.digest_jars(folder)[:12]}


METRIC = Spice()
