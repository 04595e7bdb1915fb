"""What several test files share as fixtures."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# Before torch is imported: tiny tensors are slow on several threads where tests run side by side, and a process that is
# forked after OpenMP has started threads waits for these for ever.
os.environ["OMP_NUM_THREADS"] = "1"

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: begun last, one would keep a worker of pytest-xdist busy alone."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def vlms(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny vision-language model of a kind of tiny_vlms, built once."""
    from tiny_vlms import build_tiny_vlm  # takes seconds, which most test files do not need to spend

    folder, built = tmp_path_factory.mktemp("vlms"), {}

    def folder_of(kind: str) -> Path:
        built[kind] = built.get(kind) or build_tiny_vlm(folder / kind, kind)
        return built[kind]

    return folder_of
