"""What an image captioner must write, computed from its forward pass alone."""

import io

import PIL.Image
import torch
import transformers
from tiny_captioners import QWEN_IMAGE

from core.records import Caption

FAMILY = {
    "blip": "blip",
    "vit_gpt2": "vision_encoder_decoder",
    "idefics3": "image_text_to_text",
    "smolvlm": "image_text_to_text",
    "qwen2_5_vl": "image_text_to_text",
    "qwen3_vl": "image_text_to_text",
    "blip2": "image_text_to_text",
    "florence2": "image_text_to_text",
    "cogvlm": "cogvlm",
}
PROMPT = {kind: "" if kind == "vit_gpt2" else "describe this" for kind in FAMILY}


def reference_caption(kind, folder, png):
    """The likeliest tokens one after the other by the model's forward pass, without generate: text and their number."""
    image = PIL.Image.open(io.BytesIO(png)).convert("RGB")
    if kind == "vit_gpt2":
        model = transformers.VisionEncoderDecoderModel.from_pretrained(folder)
        inputs = transformers.AutoImageProcessor.from_pretrained(folder)(image, return_tensors="pt")
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        end, key, begin = tokenizer.eos_token_id, "decoder_input_ids", [tokenizer.eos_token_id]
    elif kind == "blip":
        model = transformers.BlipForConditionalGeneration.from_pretrained(folder)
        processor = transformers.BlipProcessor.from_pretrained(folder)
        inputs, tokenizer = processor(images=image, return_tensors="pt"), processor.tokenizer
        words = tokenizer(PROMPT[kind], add_special_tokens=False)["input_ids"]
        end, key, begin = tokenizer.sep_token_id, "input_ids", [model.config.text_config.bos_token_id, *words]
    else:
        model = transformers.AutoModelForImageTextToText.from_pretrained(folder)
        processor = transformers.AutoProcessor.from_pretrained(folder)
        chat = f"user: <image>{PROMPT[kind]}<end_of_utterance>\nassistant:"
        if kind.startswith("qwen"):
            chat = chat.replace("<image>", QWEN_IMAGE).replace("<end_of_utterance>", "<|im_end|>")
        text = chat if processor.chat_template else PROMPT[kind]
        inputs, tokenizer = processor(images=[image], text=[text], return_tensors="pt"), processor.tokenizer
        end, key, begin = tokenizer.eos_token_id, "decoder_input_ids", [tokenizer.eos_token_id]
        if kind != "florence2":
            inputs.pop("attention_mask")
            key, begin = "input_ids", inputs.pop("input_ids")[0].tolist()
    written = []
    with torch.no_grad():
        while len(written) < 8:
            if "mm_token_type_ids" in inputs:  # new tokens are text
                kinds = inputs["mm_token_type_ids"][0].tolist()
                inputs["mm_token_type_ids"] = torch.tensor([kinds + [0] * (len(begin + written) - len(kinds))])
            token = int(model.eval()(**inputs, **{key: torch.tensor([begin + written])}).logits[0, -1].argmax())
            if token == end:
                break
            written.append(token)
    return Caption.written("", tokenizer.decode(written, skip_special_tokens=True)).caption, len(written)
