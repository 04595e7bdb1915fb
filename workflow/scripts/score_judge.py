r"""Let a judge, a model, score the captions of all systems: a language model (clair, caption_qa) or one that sees.

Input   captions of all systems, samples, for image_judge their images, for caption_qa a file of questions, and the
        judge: a model folder, or an endpoint
Output  <scores-dir>/<system>/<metric>.json and .parquet of each system, in the form of every other metric
        <judgements-dir>/<system>.jsonl: id, score, reason, why there is no score, and the score of the second run; for
        caption_qa a line a question, with what is answered without a caption and from the first reference
        a record of the judge: its agreement with itself, failures, how scores go with length

    python workflow/scripts/score_judge.py --metric clair --systems test3 blip --captions-dir captions \
        --samples data/test.parquet --model results/models/llm --name llama --store answers --repeated 100 --seed 7 \
        --scores-dir scores --judgements-dir judgements/clair --record judges/clair.json

    --endpoint '{"base_url": "https://api.openai.com/v1", "model": "gpt-5-mini", "api_key_env": "OPENAI_API_KEY"}'

What the judge gives no score of one system (a sample, or a question about it) counts for none: all are compared on the
same samples and questions.
Some samples, drawn by seed, are judged a second time with a question in another order; how both runs agree is reported.
Answers are stored, those of a local model too, so that another system costs only its own captions.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core import quiet_libraries  # noqa: F401  (before the libraries, which speak while they are imported)
from core.code_digest import code_digest
from core.command import InputError, log, run_command
from core.identity import identity_digest
from core.json_settings import settings_from_json
from core.records import (
    Caption,
    Image,
    Sample,
    check_ids,
    read_captions,
    read_images,
    read_samples,
    write_json,
    write_json_lines,
)
from generation.chats import AnswerSource, Chat
from generation.endpoints import Answer, Endpoint, Rejection
from generation.endpoints.chats import HostedAnswers
from generation.endpoints.store import AnswerStore
from generation.llm_engines import DecodingSettings
from scoring.choice_questions import read_questions
from scoring.judge_checks import measure_agreement, measure_length
from scoring.judgements import Inquiry, Item, Judgements, JudgeMetric, Verdict, left_out, merge_items, samples_without
from scoring.metrics import load_metric
from scoring.question_rates import CEILING, FLOOR, control_captions, describe_rates, foreign_ids, measure_questions
from scoring.scores import collect_scores, write_scores
from scoring.texts import describe_counts

Verdicts = dict[str, list[Verdict | None]]  # by system, in the items' order


def load_judge(name: str, questions: Path | None, fields: str) -> JudgeMetric:
    """The metric of that name, with its questions. Raises InputError for one that is no judge's."""
    metric = load_metric(name)
    if not isinstance(metric, JudgeMetric):
        raise InputError(f"--metric {name} is computed and not judged; score it by score_text.py")
    if not metric.needs_questions:
        return metric
    if questions is None:
        raise InputError(f"{name} asks questions: name their file by --questions")
    return metric.asking(read_questions(questions, json.loads(fields)))


def judge_captions(
    metric: JudgeMetric,
    source: AnswerSource,
    samples: Sequence[Sample],
    items: Sequence[Item],
    pictures: Mapping[str, bytes] | None,
    captions: Mapping[str, Sequence[Caption]],
    chosen: Sequence[bool],
    is_second: bool,
) -> Verdicts:
    """A verdict on each item of the chosen samples that has a caption and, where the judge sees, a picture."""
    asked: list[tuple[str, int]] = []
    inquiries: list[Inquiry] = []
    for system, own in captions.items():
        for number, item in enumerate(items):
            sample, caption = samples[item.place], own[item.place]
            unseen = pictures is not None and sample.id not in pictures
            if not chosen[item.place] or caption.status == "failed" or unseen:
                continue
            png = pictures[sample.id] if pictures is not None else None
            asked.append((system, number))
            inquiries.append(metric.inquire(item, caption.caption, sample.references, png, is_second))
    verdicts: Verdicts = {system: [None] * len(items) for system in captions}
    for (system, number), verdict in zip(asked, ask(metric, source, inquiries), strict=True):
        verdicts[system][number] = verdict
    return verdicts


def ask(metric: JudgeMetric, source: AnswerSource, inquiries: Sequence[Inquiry]) -> list[Verdict]:
    """Verdicts in the order of the inquiries; what cannot be read is asked for once more, where the metric does so."""
    answers = source.ask([one.chat for one in inquiries])
    verdicts = [read_answer(one, answer) for one, answer in zip(inquiries, answers, strict=True)]
    if metric.again:
        places = [n for n, one in enumerate(verdicts) if one.score is None and isinstance(answers[n], Answer)]
        chats = [inquiries[n].chat for n in places]
        retries = [
            Chat((*chat.turns, texts_of(answers[n]), metric.again), chat.png)
            for n, chat in zip(places, chats, strict=True)
        ]
        for place, answer in zip(places, source.ask(retries), strict=True):
            verdicts[place] = read_answer(inquiries[place], answer)
    return verdicts


def texts_of(answer: Answer | Rejection) -> str:
    """What was answered, as a turn of a chat; servers refuse empty ones."""
    return (answer.text.strip() if isinstance(answer, Answer) else "") or "-"


def read_answer(inquiry: Inquiry, answer: Answer | Rejection) -> Verdict:
    """The verdict in an answer."""
    if isinstance(answer, Rejection):
        return Verdict(None, fault=answer.reason)
    return Verdict(None, fault=answer.fault) if answer.fault else inquiry.read(answer.text, answer.logprobs)


def choose_repeated(n_samples: int, n_repeated: int, seed: int) -> list[bool]:
    """Which samples are judged a second time."""
    chosen = set(random.Random(seed).sample(range(n_samples), min(n_repeated, n_samples)))
    return [place in chosen for place in range(n_samples)]


def open_source(
    metric: JudgeMetric, model: Path | None, endpoint: str | None, decoding: str, store: Path, cache: Path | None
) -> tuple[AnswerSource, dict[str, str]]:
    """The judge, and what the signature says of it before it has answered."""
    stage = f"score_judge {metric.name}"
    if endpoint is not None:
        settings = settings_from_json(Endpoint, endpoint, f"metric_options.{metric.name}.judge")
        kept = AnswerStore(store / settings.folder)
        return HostedAnswers(settings, kept, stage, metric.n_logprobs), {"server": settings.base_url}
    if model is None:
        raise InputError("a judge is needed: name its folder by --model, or a server by --endpoint")
    from generation.local_answers import LocalAnswers, local_identity  # torch, which an endpoint does without

    local = settings_from_json(DecodingSettings, decoding, "decoding")
    # By name: the digest of its imports, so that another metric leaves the answers as they are.
    record = local_identity(model, local, code_digest("generation/local_answers"), cache)
    kept = AnswerStore(store / f"{model.name}@{identity_digest(record)}")
    return LocalAnswers(model, local, kept, stage, metric.reads_pictures), {"weights": record["inputs"]["base"][:12]}


def read_systems(folder: Path, systems: Sequence[str], samples: Sequence[Sample]) -> dict[str, list[Caption]]:
    """The captions of each system. Raises InputError where they are not those of the samples."""
    captions = {system: read_captions(folder / f"{system}.jsonl") for system in systems}
    for system, own in captions.items():
        check_ids(f"captions of {system}", [caption.id for caption in own], [sample.id for sample in samples])
    return captions


def usable_pictures(images: Sequence[Image]) -> dict[str, bytes]:
    """The pictures that show something, by id."""
    return {image.id: image.png for image in images if image.png is not None and not image.fault}


def describe_failures(verdicts: Verdicts) -> dict[str, Any]:
    """How many captions were judged and got no score, why, and of which systems."""
    faults = {system: [one.fault for one in found if one and one.score is None] for system, found in verdicts.items()}
    return {
        "n_asked": sum(one is not None for found in verdicts.values() for one in found),
        "n_failed": sum(map(len, faults.values())),
        "reasons": dict(Counter(fault for some in faults.values() for fault in some).most_common(5)),
        "failed_by_system": {system: len(some) for system, some in faults.items()},
    }


def check_scores(metric: str, model: str, failures: Mapping[str, Any]) -> None:
    """Raise InputError where the judge gave no score at all."""
    if failures["n_asked"] and failures["n_failed"] == failures["n_asked"]:
        raise InputError(
            f"{metric}: the judge {model} gave no score for any of {failures['n_asked']} captions "
            f"({next(iter(failures['reasons']))}); choose another judge"
        )


def judgement_rows(
    samples: Sequence[Sample], items: Sequence[Item], system: str, first: Verdicts, second: Verdicts
) -> list[dict[str, Any]]:
    """A system's judgements for people and other tools."""
    return [
        {
            "id": samples[item.place].id,
            **(describe_question(item, first, number) if item.question else {}),
            "score": one.score if one else None,
            "reason": one.reason if one else "",
            "fault": one.fault if one else "not asked",
            "second_score": score_of(second[system][number]),
        }
        for number, (item, one) in enumerate(zip(items, first[system], strict=True))
    ]


def describe_question(item: Item, first: Verdicts, number: int) -> dict[str, Any]:
    """The question of a judgement, and whether it is answered right without a caption and from the reference."""
    asked = item.asked
    return {
        "question": asked.question,
        "subject": asked.subject,
        "answer": asked.options[asked.answer],
        "score_without_caption": score_of(first[FLOOR][number]),
        "score_from_reference": score_of(first[CEILING][number]),
    }


def score_of(verdict: Verdict | None) -> float | None:
    return verdict.score if verdict else None


def main(
    *,
    metric: str,
    systems: list[str],
    captions_dir: Path,
    samples: Path,
    store: Path,
    repeated: int,
    seed: int,
    scores_dir: Path,
    judgements_dir: Path,
    record: Path,
    images: Path | None = None,
    questions: Path | None = None,
    question_fields: str = "{}",
    model: Path | None = None,
    name: str = "",
    endpoint: str | None = None,
    decoding: str = "{}",
    digest_cache: Path | None = None,
) -> None:
    """Judge all captions. Raises InputError where the judge gives no score at all."""
    scorer, sample_list = load_judge(metric, questions, question_fields), read_samples(samples)
    items = scorer.items(sample_list)
    captions = read_systems(captions_dir, systems, sample_list)
    if scorer.reads_pictures and images is None:
        raise InputError(f"{metric} looks at pictures: name them by --images")
    pictures = usable_pictures(read_images(images)) if scorer.reads_pictures and images else None
    controls: dict[str, list[Caption]] = {}
    if scorer.needs_questions:
        foreign_ids(scorer.asked, sample_list)
        controls = control_captions(sample_list)
    source, facts = open_source(scorer, model, endpoint, decoding, store, digest_cache)
    everything, shown = [True] * len(sample_list), {**captions, **controls}
    found = judge_captions(scorer, source, sample_list, items, pictures, shown, everything, is_second=False)
    first = {system: found[system] for system in systems}
    failures = describe_failures(first)
    check_scores(metric, source.model, failures)
    chosen = choose_repeated(len(sample_list), repeated, seed)
    second = judge_captions(scorer, source, sample_list, items, pictures, captions, chosen, is_second=True)
    out = left_out(items, captions, first, [pictures is None or sample.id in pictures for sample in sample_list])
    without = samples_without(items, out, len(sample_list))
    merged = {system: merge_items(items, first[system], out, len(sample_list)) for system in systems}
    facts = {"judge": name or source.model, **({"model": source.model} if endpoint else {}), **facts}
    facts |= scorer.asked.facts if scorer.needs_questions else {}
    signature = scorer.signature(**facts, n_references=describe_counts([one.references for one in sample_list]))
    for system, own in captions.items():
        columns = scorer.score_samples(Judgements(own, merged[system], without))
        scores = collect_scores(scorer, system, own, columns, signature)
        folder = scores_dir / system
        write_scores(folder / f"{metric}.json", folder / f"{metric}.parquet", scorer, scores)
        write_json_lines(judgements_dir / f"{system}.jsonl", judgement_rows(sample_list, items, system, found, second))
    n_left_out = len({item.place for item in items if without[item.place]})
    asked = measure_questions(scorer.asked, sample_list, items, out, found) if scorer.needs_questions else None
    write_json(
        record,
        {
            "metric": metric,
            "judge": name or source.model,
            "answered_by": source.model,
            "server": facts.get("server"),
            **failures,
            "n_left_out": n_left_out,
            "agreement": measure_agreement(first, second) | {"second_run": scorer.second_run},
            "length": measure_length(captions, merged),
            **({"questions": asked} if asked else {}),
        },
    )
    what = "answers" if asked else "captions"
    told = f"{failures['n_failed']} of {failures['n_asked']} {what} without a score, {n_left_out} samples left out"
    log("score_judge", f"{metric} by {source.model}: {told}{describe_rates(asked) if asked else ''}")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metric", required=True, help="clair, caption_qa or image_judge")
    parser.add_argument("--systems", nargs="+", required=True, help="all systems of the comparison")
    parser.add_argument("--captions-dir", type=Path, required=True, help="folder of <system>.jsonl")
    parser.add_argument("--samples", type=Path, required=True, help="data/test.parquet")
    parser.add_argument("--images", type=Path, help="images/test.parquet, for image_judge")
    parser.add_argument("--questions", type=Path, help="file of questions, for caption_qa")
    parser.add_argument("--question-fields", default="{}", help="JSON: the names of its fields, where they differ")
    parser.add_argument("--model", type=Path, help="folder of a local judge")
    parser.add_argument("--name", default="", help="name of the judge in signature and report")
    parser.add_argument("--endpoint", help="JSON: an endpoint in place of a local judge (see caption_endpoint.py)")
    parser.add_argument("--decoding", default="{}", help="JSON: decoding settings of a local judge")
    parser.add_argument("--store", type=Path, required=True, help="folder of all answers; nothing in it is deleted")
    parser.add_argument("--repeated", type=int, default=100, help="samples that are judged a second time")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--scores-dir", type=Path, required=True, help="folder for <system>/<metric>.json and .parquet")
    parser.add_argument("--judgements-dir", type=Path, required=True, help="folder for <system>.jsonl of this metric")
    parser.add_argument("--record", type=Path, required=True, help="judges/<metric>.json")
    parser.add_argument("--digest-cache", type=Path, help="JSON file that remembers the digests of model files")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
