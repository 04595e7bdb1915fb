"""What requests will cost, before they are sent: their number, about how many tokens, and at most what price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MILLION = 1_000_000


@dataclass(frozen=True)
class Estimate:
    """Requests of one system or judge. Answers are counted as long as they may be."""

    n_requests: int
    n_stored: int  # of them, answered in the store already
    n_prompt_tokens: int  # of the others, about
    n_new_tokens: int  # of the others, at most

    def describe(self, price: Mapping[str, float] | None, currency: str) -> str:
        """One line for a person."""
        n_sent = self.n_requests - self.n_stored
        stored = f"{self.n_stored:,} of {self.n_requests:,} requests are answered in the store"
        if not n_sent:
            return f"nothing is sent: {stored}"
        cost = ""
        if price:
            cost = f", {cost_of(self.n_prompt_tokens, self.n_new_tokens, price):.2f} {currency} at most"
        return (
            f"{n_sent:,} requests, about {self.n_prompt_tokens:,} tokens of prompts and at most "
            f"{self.n_new_tokens:,} of answers{cost}" + (f" ({stored})" if self.n_stored else "")
        )


def cost_of(n_prompt_tokens: int, n_new_tokens: int, price: Mapping[str, float]) -> float:
    """The price of so many tokens; `price` has that of a million of the prompts (input) and of the answers (output)."""
    return (n_prompt_tokens * price["input"] + n_new_tokens * price["output"]) / MILLION
