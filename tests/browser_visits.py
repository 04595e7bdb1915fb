"""A visit to a report in a browser, as the tests make it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from report_fixture import Experiment

from core.records import read_captions


class Visit:
    """A page opened from disk, with all it said and asked for."""

    def __init__(self, browser: Any, path: Path, fragment: str = "", **context: Any):
        self.page = browser.new_context(**context).new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.errors.append("dialog"), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri() + fragment)
        self.page.wait_for_selector("html[data-ready]", state="attached")

    @property
    def network(self) -> list[str]:
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]

    def select(self, label: str, value: str) -> None:
        self.page.get_by_label(label, exact=True).select_option(value)

    def listed_ids(self) -> list[str]:
        """All ids in the list of samples, found by scrolling through it."""
        return self.page.evaluate(
            """async () => {
                const list = document.querySelector(".list"), ids = [];
                for (let top = 0; top < list.scrollHeight; top += list.clientHeight / 2) {
                    list.scrollTop = top;
                    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
                    for (const { dataset } of list.querySelectorAll(".row")) ids[dataset.position] = dataset.id;
                }
                return ids;
            }"""
        )

    def fragment(self) -> str:
        """What the address says, once the page has had time to write it."""
        self.page.wait_for_timeout(250)
        return self.page.evaluate("location.hash")

    def shown_id(self) -> str | None:
        return self.page.get_attribute(".card", "data-id")

    def fill(self, label: str, text: str) -> None:
        """Type into a field of the explorer, and wait until the list has followed."""
        self.page.locator("#explorer").get_by_label(label, exact=True).fill(text)
        self.page.wait_for_timeout(250)

    def saved(self, selector: str) -> str:
        """The text of the file that a button saves."""
        with self.page.expect_download() as download:
            self.page.click(selector)
        return Path(download.value.path()).read_text(encoding="utf-8")


def ids_of(experiment: Experiment) -> list[str]:
    return [caption.id for caption in read_captions(experiment.arguments["captions_dir"] / "constant.jsonl")]
