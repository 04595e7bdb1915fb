"""Rows whose decoding steps have one shape and write in place, so that a GPU replays a step as a CUDA graph.

A step of a large model is some thousand small kernels. Started one by one from Python they take longer than the GPU
needs for them; as a graph they are started at once. A batch records its own graph: its first step after the prompts
runs as ever, which also loads the kernels, the second is recorded, which takes about as long, and the others replay it.
No graph outlives its batch, so that neither batches nor adapters have to keep tensors at one address.

Recorded by `torch.cuda.graph` and not by `torch.compile(mode="reduce-overhead")`: that compiles anew for each shape of
a batch, for longer than many a batch is decoded.

On a CPU there is nothing to gain, and a step would read the room of the whole batch, also of rows that have ended.
There only tests use these rows, with a recorder of their own. The time of a step on a GPU is not measured;
benchmarks/gpu.py measures it.
"""

from __future__ import annotations

from typing import Any

import torch

from generation.llm_engines.decoding_rows import DecodingRows
from generation.llm_engines.roomy_cache import FixedCache


def graph_pool(device: torch.device) -> Any:
    """The memory of all graphs of an engine, of which one is replayed at a time; None where no graphs are recorded."""
    return torch.cuda.MemPool() if device.type == "cuda" else None


class FixedRows(DecodingRows):
    """DecodingRows that keep rows which have ended, and all tensors of a step in their places.

    `read` gives the logits of the rows that are still wanted.
    """

    cache_class = FixedCache
    cache: FixedCache

    def __init__(self, *args: Any, graph_pool: Any = None):
        super().__init__(*args)
        device = self._groups[0].ids.device
        self._pool = graph_pool
        self._place: Any = None  # of the token that is read next, in every row
        self._wanted = torch.arange(self.n_rows, device=device)
        self._graph: Any = None
        self._logits: Any = None  # of a step; a graph writes them here again

    def read(self) -> torch.Tensor:
        """Logits of the token that follows each wanted row (rows x vocabulary), fp32."""
        if self._place is None:
            logits = super().read()
            self._fix()
            return logits
        self._logits = self._step()
        self._place.add_(1)
        return self._logits[self._wanted]

    def append(self, tokens: torch.Tensor, going: list[int]) -> None:
        """Add a token to each wanted row, and want the rows at these places only."""
        self.ids[self._wanted, 0] = tokens
        self.positions.add_(1)
        self.mask.index_fill_(1, self._place, 1)  # also of rows that have ended: without any key they give no numbers
        if len(going) < len(tokens):
            self.keep(torch.tensor(going, device=tokens.device))

    def keep(self, places: torch.Tensor) -> None:
        """Want the rows at these places only."""
        self._wanted = self._wanted[places]

    def _fix(self) -> None:
        """Give the tensors of a step the shape and place that they keep."""
        self._place, room = self.cache.fix()
        self.ids, self.positions = self.ids[:, -1:].clone(), self.positions[..., -1:].clone()
        self.mask = torch.nn.functional.pad(self.mask, (0, room - self.mask.shape[1]))

    def _step(self) -> torch.Tensor:
        if self._graph is not None:
            self._graph.replay()
            return self._logits
        if self._pool is None or self._logits is None:
            return super().read()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            logits = super().read()
        graph.replay()  # recording computes nothing
        self._graph = graph
        return logits
