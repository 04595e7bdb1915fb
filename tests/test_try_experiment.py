"""The page that tries an experiment: captions are the workflow's, only its own page is served, Ctrl+C ends it."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tried_experiment import COLOURS, HOSTILE, Page, finished_experiment, named, raw_drawing, served

from core.command import InputError
from core.records import read_captions, read_samples
from page.desk import MOST_WAITING, Busy, Desk
from page.drawings import open_workshop
from page.experiment import Experiment, open_experiment, read_configuration
from page.systems import find_places, wants_gpu
from plan.experiment import Plan, make_plan
from plan.schema import fill_defaults, load_schema
from svg.bytes import MAX_BYTES

RUNNABLE = {"llm-zero-shot", "llm-few-shot", "vlm-zero-shot-both", "tuned-a", "tuned-b", "blip"}
RUNNABLE |= {"constant", "text_nearest", "clip_nearest"}


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plan]:
    with finished_experiment(tmp_path_factory.mktemp("tried")) as made:
        yield made


@pytest.fixture(scope="module")
def page(plan: Plan) -> Iterator[Page]:
    with served(Path.cwd()) as running:
        yield running


def captions_of(events: list[dict[str, Any]]) -> dict[str, str]:
    return {event["system"]: event["caption"] for event in named(events, "caption")}


def test_captions_of_a_pasted_drawing_are_the_workflows_character_for_character(plan: Plan, page: Page) -> None:
    test = {sample.id: sample for sample in read_samples(f"{plan.results}/data/test.parquet")}
    expected = {system: read_captions(f"{plan.results}/captions/{system}.jsonl") for system in RUNNABLE}
    texts = set()
    for number, sample in enumerate(test.values()):
        events = page.post("/drawings", raw_drawing(8 + number))
        (drawing,) = named(events, "drawing")
        assert drawing["xml"] == sample.xml
        assert captions_of(events) == {system: expected[system][number].caption for system in RUNNABLE}
        texts |= set(captions_of(events).values())
        assert events[-1]["event"] == "done"
    assert len(texts) > 10, "the captions do not depend on drawing and system"


def test_a_test_sample_is_compared_with_what_the_experiment_wrote(plan: Plan, page: Page) -> None:
    events = page.post("/samples", "s9")
    assert {event["system"]: event["in_run"]["is_same"] for event in named(events, "caption")} == dict.fromkeys(
        RUNNABLE, True
    )
    assert named(events, "in_run") == [{"event": "in_run", "system": "other", "caption": "read 9", "reason": ""}]
    assert named(events, "raw")[0]["text"] == raw_drawing(9)
    assert named(events, "drawing")[0]["references"] == read_samples(f"{plan.results}/data/test.parquet")[1].references
    assert page.client.post("/samples", content="s1", headers={"Origin": page.address}).status_code == 404


def test_what_is_shown_beside_the_captions(page: Page) -> None:
    events = page.post(
        "/drawings", raw_drawing(4).replace("<g", '<script>alert(1)</script><image href="http://x/"/><g')
    )
    (drawing,) = named(events, "drawing")
    assert {one["flag"] for one in drawing["flags"]} == {"removed:external_reference", "removed:script"}
    assert "alert" not in drawing["xml"]
    assert drawing["png"]
    near = {event["by"]: event["drawings"] for event in named(events, "neighbours")}
    assert [near[by][0]["id"] for by in ("code", "picture")] == ["s4", "s4"]  # the drawing itself is a train sample
    assert near["code"][0]["similarity"] == pytest.approx(1)
    assert [len(shown) for shown in near.values()] == [4, 4]
    assert near["code"][0]["similarity"] > near["code"][1]["similarity"] >= near["code"][2]["similarity"]
    (tokens,) = named(events, "tokens")
    assert all(base["raw"] > base["canonical"] > 0 for base in tokens["bases"])
    assert len(tokens["bases"]) == 2


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"no drawing", "not XML"),
        (b"", "not XML"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "nothing is drawn"),
        (b"\x1f\x8bxxxx", "gzip"),
    ],
)
def test_what_is_no_drawing_is_refused_with_the_reason(page: Page, body: bytes, reason: str) -> None:
    (event,) = page.post("/drawings", body)
    assert event["event"] == "rejected"
    assert reason in event["reason"]


def test_requests_that_another_page_could_make_are_refused(page: Page) -> None:
    port = page.address.rsplit(":", 1)[1]
    own = {"Origin": page.address}
    for headers in (
        {},
        {"Origin": "http://example.org"},
        {"Origin": "null"},
        {"Origin": f"http://localhost:{port}"},
        own | {"Sec-Fetch-Site": "cross-site"},
        own | {"Host": f"example.org:{port}"},
        {"Host": f"example.org:{port}", "Origin": f"http://example.org:{port}"},
    ):
        for path in ("/drawings", "/samples"):
            assert page.client.post(path, content="s9", headers=headers).status_code == 403, headers
    for host in ("example.org", f"example.org:{port}", "127.0.0.1:1", f"127.0.0.1.example.org:{port}"):
        assert page.client.get("/", headers={"Host": host}).status_code == 403, host
    assert page.client.get("/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert page.client.get("/", headers={"Host": f"LOCALHOST:{port}"}).status_code == 200
    for path in ("/docs", "/openapi.json", "/page.css.map", "/../tiny.yaml"):
        assert page.client.get(path).status_code == 404, path


def test_answers_may_not_be_framed_and_load_nothing_from_elsewhere(page: Page) -> None:
    for answer in (page.client.get("/"), page.client.post("/drawings"), page.client.get("/nothing")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in answer.headers


def test_a_body_that_is_too_large_is_refused(page: Page) -> None:
    def endless() -> Iterator[bytes]:  # no length is stated
        for _ in range(MAX_BYTES // 100_000 + 2):
            yield b" " * 100_000

    for body in (b" " * (MAX_BYTES + 1), endless()):
        assert page.client.post("/drawings", content=body, headers={"Origin": page.address}).status_code == 413


def test_test_samples_are_found_by_words(page: Page) -> None:
    def found(words: str) -> set[str]:
        return {one["id"] for one in page.client.get("/samples", params={"words": words}).json()}

    assert found("") == {"s8", "s9", "s10", "s11"}
    assert found("CIRCLE") == {"s9", "s11"}
    assert found("s10 square") == {"s10"}
    assert found("nothing") == set()


def test_the_page_in_a_browser(browser: Any, page: Page) -> None:
    view = browser.new_context(color_scheme="dark", viewport={"width": 390, "height": 800}).new_page()
    errors: list[str] = []
    requests: list[str] = []
    view.on("console", lambda message: errors.append(message.text))
    view.on("pageerror", lambda error: errors.append(str(error)))
    view.on("request", lambda request: requests.append(request.url))
    view.goto(page.address)
    view.wait_for_selector("html[data-ready]", state="attached")
    hostile = raw_drawing(3).replace(
        "<g", "<script>document.title='owned'</script><g onload=\"document.title='owned'\""
    )
    view.get_by_label("Your drawing").fill(hostile)
    view.keyboard.press("Control+Enter")
    done = view.get_by_role("status").filter(has_text=" captions in ")
    done.wait_for()
    assert done.inner_text().startswith(f"{len(RUNNABLE)} captions in ")
    assert "Its captions were read from a file" in view.inner_text("tr[data-system=other]")
    assert COLOURS[3] in view.inner_text("#near-code figure")
    assert view.locator("#flags").inner_text().startswith("removed:script")
    view.get_by_label("Search 4 test samples").fill("s9")
    view.wait_for_selector("#thumbs li:only-child button")
    view.locator("#thumbs button").click()
    view.wait_for_selector("tr[data-system=other][data-state=done]")
    done.wait_for()
    assert view.locator("text=as in the report").count() == len(RUNNABLE)
    assert "onerror" in view.inner_text("#references")
    assert view.get_by_label("Your drawing").input_value() == hostile  # what a person typed stays
    assert view.inner_text("#raw") == raw_drawing(9)
    view.get_by_label("SVG file").set_input_files([{"name": "a.svg", "mimeType": "", "buffer": b"no drawing"}])
    view.wait_for_selector("#fault:not([hidden])")
    assert "models cannot read this drawing" in view.inner_text("#fault")
    assert view.evaluate("document.documentElement.scrollWidth") <= 390
    assert view.title() == f"Try Tiny {HOSTILE}"
    assert view.query_selector_all("img[onerror]") == []
    assert view.query_selector_all("img[alt='']") == []
    assert errors == []
    assert [url for url in requests if not url.startswith((page.address, "data:"))] == []


def test_without_results_the_error_names_the_command_to_run_first(tmp_path: Path, monkeypatch: Any) -> None:
    configuration = Path("tiny.yaml").resolve()
    with pytest.raises(InputError, match="results/demo/logs/runs has no run: run the experiment first: make demo"):
        open_experiment("demo")
    with pytest.raises(
        InputError, match=r"snakemake all --profile profiles/local --configfile <configuration of mine>"
    ):
        open_experiment("mine")
    assert "tiny.yaml as it is now" in open_experiment("demo", configuration).origin
    assert "last run" in open_experiment("tiny").origin
    Path("results/tiny/data/test.parquet").rename(tmp_path / "test.parquet")
    with pytest.raises(InputError, match=r"results/tiny has no data/test.parquet: run .* --configfile .*tiny.yaml"):
        open_experiment("tiny", configuration)
    (tmp_path / "test.parquet").rename("results/tiny/data/test.parquet")


def test_what_nobody_waits_for_any_more_is_left_and_only_some_may_wait(plan: Plan) -> None:
    told = []
    with open_workshop(plan) as workshop:
        desk = Desk(Experiment(plan, ""), workshop)

        def tell(event: Any) -> None:
            told.append(event["event"])
            request.cancel()

        request = desk.ask(raw_drawing(0).encode(), tell)
        desk._serve(request)
    assert told == ["drawing"]
    for _ in range(MOST_WAITING - 1):  # the first waits still: nobody has taken it
        desk.ask(b"", tell)
    with pytest.raises(Busy):
        desk.ask(b"", tell)


def obstacles(plan: Plan) -> dict[str, str]:
    return {place.system.name: place.obstacle for place in find_places(plan)}


def test_a_system_that_cannot_run_here_says_why(plan: Plan, monkeypatch: Any) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = obstacles(plan)
    assert {name for name, obstacle in found.items() if not obstacle} == RUNNABLE
    assert "other.jsonl" in found["other"]
    assert not wants_gpu(plan)
    config = read_configuration(Path("tiny.yaml"))
    config["models"]["tuned-a"]["seeds"] = 2
    labels = {place.system.name: place.label for place in find_places(make_plan(config))}
    assert (labels["tuned-a-seed2"], labels["tuned-b"]) == ("tuned-a, training 2", "tuned-b")
    assert "has no adapter_model.safetensors" in obstacles(make_plan(config))["tuned-a-seed2"]
    config["systems"]["hosted"] = {"kind": "endpoint", "base_url": "http://127.0.0.1:9", "model": "m", "input": "code"}
    config = fill_defaults(config, load_schema())
    assert "no network" in obstacles(make_plan(config))["hosted"]
    config["decoding"]["gpus"] = 1
    config["captioners"]["blip"]["python"] = "/envs/old/bin/python"
    del config["clip"]
    changed = obstacles(make_plan(config))
    assert changed["tuned-a"] == "It needs a GPU (decoding.gpus: 1), and this machine has none."
    assert "/envs/old/bin/python" in changed["blip"]
    assert "no CLIP model" in changed["clip_nearest"]
    assert wants_gpu(make_plan(config))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert obstacles(make_plan(config))["tuned-a"] == ""
    adapter = dataclasses.replace(plan.trainings["tuned-a"], folder="nowhere")
    assert (
        "nowhere has no adapter_model"
        in obstacles(dataclasses.replace(plan, trainings=plan.trainings | {"tuned-a": adapter}))["tuned-a"]
    )


def test_ctrl_c_ends_the_page_without_a_traceback(page: Page) -> None:
    page.process.send_signal(signal.SIGINT)
    assert page.process.wait(30) == 0
    log = Path("page.log").read_text()
    assert "ready" in log
    assert "Traceback" not in log
    assert "rror" not in log
