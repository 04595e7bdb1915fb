"""Records steps on a CPU as CUDA graphs do on a GPU: operations and the tensors that they read and write, no Python.

What a CUDA graph refuses is refused: numbers that are read back from the device, and tensors made of Python numbers. A
replay runs the recorded operations on the recorded tensors, so that a step which depends on anything else goes wrong.
"""

from __future__ import annotations

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from generation.llm_engines import torch_engine

REFUSED = ("_local_scalar_dense", "nonzero", "lift_fresh", "equal", "masked_select", "unique")


class RecordedGraph:
    """In the place of torch.cuda.CUDAGraph."""

    n_replays = 0

    def __init__(self):
        self.operations = []

    def replay(self):
        RecordedGraph.n_replays += 1
        for function, args, kwargs, outputs in self.operations:
            for old, new in zip(outputs, tensors_in(function(*args, **kwargs)), strict=True):
                if old.data_ptr() != new.data_ptr():  # else the operation has written in place, or shown a part
                    old.copy_(new)


class Recording(TorchDispatchMode):
    """In the place of torch.cuda.graph. As on a GPU, what is computed while recording is lost."""

    def __init__(self, graph: RecordedGraph, pool: object):
        super().__init__()
        self.graph = graph

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if any(name in str(function).split(".") for name in REFUSED) or "is_nonzero" in str(function):
            raise RuntimeError(f"{function} is not permitted while a stream is captured")
        outputs = function(*args, **(kwargs or {}))
        self.graph.operations.append((function, args, kwargs or {}, tensors_in(outputs)))
        return outputs

    def __exit__(self, *error):
        super().__exit__(*error)
        given = {id(tensor) for _, args, kwargs, _ in self.graph.operations for tensor in tensors_in((args, kwargs))}
        for _, _, _, outputs in self.graph.operations:
            for tensor in outputs:
                if id(tensor) not in given and tensor.is_floating_point():
                    tensor.fill_(torch.nan)


def tensors_in(values) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(values) if torch.is_tensor(leaf)]


def record_on_cpu(monkeypatch) -> None:
    """Let the engine decode on this CPU as it does on a GPU."""
    monkeypatch.setattr(torch_engine, "FIXED_ON", ("cpu", "cuda"))
    monkeypatch.setattr(torch_engine, "graph_pool", lambda device: "memory")
    monkeypatch.setattr(torch.cuda, "CUDAGraph", RecordedGraph)
    monkeypatch.setattr(torch.cuda, "graph", Recording)
    monkeypatch.setattr(RecordedGraph, "n_replays", 0)
