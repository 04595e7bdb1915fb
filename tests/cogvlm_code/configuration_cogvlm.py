"""Config of the model in modeling_cogvlm.py."""

from transformers import PretrainedConfig


class CogVLMConfig(PretrainedConfig):
    model_type = "cogvlm_of_the_tests"

    def __init__(self, vocab_size=32, hidden_size=16, image_size=32, **more):
        self.vocab_size, self.hidden_size, self.image_size = vocab_size, hidden_size, image_size
        super().__init__(**more)
