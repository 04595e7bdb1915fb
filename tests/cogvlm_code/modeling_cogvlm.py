"""Remote code with CogVLM's interface and none of its code: what captioners/cogvlm.py relies on, checked as it is used.

A row is <s>, the places of the image, the query; token types tell image (1) from text (0). The next token follows from
the mean of all embeddings, which sees the image and each token, so that a swapped image or a cut prompt changes it.
"""

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from .configuration_cogvlm import CogVLMConfig

N_IMAGE_TOKENS = 6


class CogVLMForCausalLM(PreTrainedModel):
    config_class = CogVLMConfig

    def __init__(self, config):
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.vision = nn.Linear(3 * config.image_size**2, config.hidden_size, bias=False)
        self.head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def _init_weights(self, module):
        pass

    def build_conversation_input_ids(self, tokenizer, *, query, history=None, images=None, template_version=None):
        """One conversation without a batch dimension, as CogVLM builds it."""
        assert not history
        assert len(images) == 1
        side = self.config.image_size
        pixels = np.asarray(images[0].resize((side, side)), dtype=np.float32) / 255
        text = tokenizer.encode(query, add_special_tokens=False)
        ids = [tokenizer.bos_token_id] + [0] * N_IMAGE_TOKENS + text
        types = [0] + [1] * N_IMAGE_TOKENS + [0] * len(text)
        return {
            "input_ids": torch.tensor(ids),
            "token_type_ids": torch.tensor(types),
            "attention_mask": torch.ones(len(ids), dtype=torch.long),
            "images": [torch.from_numpy(pixels).permute(2, 0, 1)],
        }

    @torch.no_grad()
    def generate(
        self,
        input_ids,
        token_type_ids,
        attention_mask,
        images,
        max_new_tokens,
        num_beams,
        do_sample,
        eos_token_id,
        pad_token_id,
    ):
        """Greedy continuations with the prompt before them; a row that has ended is filled with the padding token."""
        assert input_ids.shape == token_type_ids.shape == attention_mask.shape
        assert (token_type_ids == 1).sum(dim=1).tolist() == [N_IMAGE_TOKENS] * len(images)
        assert num_beams == 1
        assert not do_sample
        seen = torch.stack([self.vision(row[0].flatten()) for row in images])
        ended = torch.zeros(len(input_ids), dtype=torch.bool)
        for _ in range(max_new_tokens):
            place = torch.arange(1, input_ids.shape[1] + 1, dtype=seen.dtype)[None, :, None]
            state = seen + (self.embedding(input_ids) * torch.cos(place)).mean(dim=1)
            next_ids = self.head(torch.tanh(state)).argmax(dim=-1)
            next_ids[ended] = pad_token_id
            ended |= next_ids == eos_token_id
            input_ids = torch.cat([input_ids, next_ids[:, None]], dim=1)
            if ended.all():
                break
        return input_ids
