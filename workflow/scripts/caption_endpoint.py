r"""Ask a hosted model, or any server with the API of OpenAI's chat completions, for the caption of each drawing.

Input: samples, their rendered images where the model reads pictures, the endpoint and prompt settings as JSON. Output:
captions, one record a sample, in the samples' order, and a record of the endpoint: the model that answered by the
server's own words, when, and the tokens. Each answer is stored by the digest of its request (--store): a killed job
goes on where it was, and a repeated one sends nothing. Refusals and filtered answers are failed records.

    python workflow/scripts/caption_endpoint.py --system gpt --input both --samples data/test.parquet \
        --endpoint '{"base_url": "https://api.openai.com/v1", "model": "gpt-5-mini", "api_key_env": "OPENAI_API_KEY"}' \
        --images images/test.parquet --store answers --output captions/gpt.jsonl --record endpoints/gpt.json

The key is read from the environment variable that api_key_env names, and written nowhere.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from captions.prompts import INPUTS, PromptSettings
from core.command import InputError, Progress, log, run_command
from core.json_settings import settings_from_json
from core.records import Caption, read_images, read_samples, write_captions, write_json
from generation.endpoints import Answer, Endpoint, Rejection
from generation.endpoints.client import Client
from generation.endpoints.estimate import cost_of
from generation.endpoints.prompts import CaptionRequest, caption_requests, estimate_captions
from generation.endpoints.store import AnswerStore

# Their words for how an answer ended → those of the captions' records.
FINISH_REASONS = {"stop": "eos", "length": "length"}


def caption_record(asked: CaptionRequest, answer: Answer | Rejection) -> Caption:
    """An answer as a record; one that is no caption is failed, with the reason."""
    if isinstance(answer, Rejection):
        return Caption(asked.id, "", "failed", answer.reason)
    numbers: dict[str, Any] = {
        "finish_reason": FINISH_REASONS.get(answer.finish_reason, ""),
        "n_prompt_tokens": answer.n_prompt_tokens,
        "n_xml_tokens_removed": asked.n_xml_tokens_removed,
        "n_new_tokens": answer.n_new_tokens,
        "seconds": answer.seconds,
    }
    if answer.fault:
        return Caption(asked.id, "", "failed", answer.fault, **numbers)
    return Caption.written(asked.id, answer.text, **numbers)


def endpoint_record(
    endpoint: Endpoint, input: str, answers: Sequence[Answer], n_rejected: int, price: dict[str, float] | None
) -> dict[str, Any]:
    """What the report states of an endpoint. Numbers of tokens are the server's; None where it gave none."""
    prompts = [answer.n_prompt_tokens for answer in answers if answer.n_prompt_tokens is not None]
    written = [answer.n_new_tokens for answer in answers if answer.n_new_tokens is not None]
    times = sorted(answer.time for answer in answers)
    return {
        "base_url": endpoint.base_url,
        "model": endpoint.model,
        "answered_by": answers[0].model if answers else "",
        "input": input,
        "n_answers": len(answers),
        "n_rejected": n_rejected,
        "first": times[0] if times else "",
        "last": times[-1] if times else "",
        "parameters": answers[0].parameters if answers else {},
        "n_prompt_tokens": sum(prompts) if prompts else None,
        "n_new_tokens": sum(written) if written else None,
        "cost": cost_of(sum(prompts), sum(written), price) if price and prompts else None,
    }


def main(
    *,
    system: str,
    endpoint: str,
    input: str,
    prompt: str,
    samples: Path,
    images: Path | None,
    store: Path,
    output: Path,
    record: Path,
    price: str = "null",
    currency: str = "EUR",
) -> None:
    """Caption all samples. Raises InputError for what a person can repair, MachineError where the server is away."""
    settings = settings_from_json(Endpoint, endpoint, f"systems.{system}")
    if input != "code" and images is None:
        raise InputError(f"--images is missing, and {system} reads pictures (--input {input})")
    sample_list = read_samples(samples)
    by_id = {image.id: image for image in read_images(images)} if images else {}
    asked, failed = caption_requests(sample_list, by_id, settings, PromptSettings.from_json(prompt), input)
    answers_kept = AnswerStore(store / settings.folder)
    prices = json.loads(price)
    cost = estimate_captions(asked, answers_kept)
    log(f"caption_endpoint {system}", f"{settings.model}: {cost.describe(prices, currency)}")
    with Progress(f"caption_endpoint {system}", cost.n_requests - cost.n_stored, "answer") as progress:
        found = Client(settings, answers_kept).ask([one.request for one in asked], progress.advance)
    captions = {one.id: caption_record(one, found[one.request.digest]) for one in asked}
    captions |= {caption.id: caption for caption in failed}
    write_captions(output, [captions[sample.id] for sample in sample_list])
    answers = [answer for answer in found.values() if isinstance(answer, Answer)]
    write_json(record, endpoint_record(settings, input, answers, len(found) - len(answers), prices))
    n_failed = sum(caption.status == "failed" for caption in captions.values())
    log(f"caption_endpoint {system}", f"{len(captions)} captions, {n_failed} of them failed")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Ask an endpoint for the caption of each drawing.")
    parser.add_argument("--system", required=True, help="name of the system")
    parser.add_argument(
        "--endpoint", required=True, help="JSON: base_url, model, api_key_env, parallel, max_new_tokens"
    )
    parser.add_argument("--input", choices=INPUTS, required=True, help="what the model reads of a drawing")
    parser.add_argument("--prompt", default="{}", help="prompt settings as JSON (docs/configuration.md, prompt)")
    parser.add_argument("--samples", type=Path, required=True, help="data/test.parquet")
    parser.add_argument("--images", type=Path, help="images/test.parquet, where the model reads pictures")
    parser.add_argument("--store", type=Path, required=True, help="folder of all answers; nothing in it is deleted")
    parser.add_argument("--price", default="null", help="JSON: price of a million tokens, input and output")
    parser.add_argument("--currency", default="EUR", help="currency of the price")
    parser.add_argument("--output", type=Path, required=True, help="captions/<system>.jsonl")
    parser.add_argument("--record", type=Path, required=True, help="endpoints/<system>.json")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
