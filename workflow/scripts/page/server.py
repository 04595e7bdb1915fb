"""The server of the page: a few addresses on this machine alone, and what it refuses.

| address          | gives                                                                                    |
|------------------|------------------------------------------------------------------------------------------|
| GET /            | the page                                                                                 |
| GET /page.css, /page.js | its style and script                                                              |
| GET /samples     | some test samples: those whose id or references hold `words`, else some by chance        |
| POST /drawings   | the events of a file, which is the body, as lines of JSON (page/events.py)               |
| POST /samples    | the events of a test sample, whose id is the body                                        |

A browser sends requests for any page that it has open. So the name by which the server is asked must be its own
(another one is DNS rebinding), and what makes it work must come from its own page (`Origin`). Answers may not be framed
or embedded, and the page may load nothing from elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.records import Sample, json_line
from page.desk import Busy, Desk
from page.events import Event
from page.experiment import Experiment
from report.comparison import FAMILY_LABELS
from report.page import make_environment, read_template
from svg.bytes import MAX_BYTES

SHOWN = 12  # test samples at once
LONGEST_ID = 10_000  # bytes
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Gate:
    """Refuses what does not come from the server's own page, and puts HEADERS on every answer."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]):
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        fault = find_fault(scope["method"], Headers(scope=scope), self.hosts)
        answer: ASGIApp = Response(fault, 403, media_type="text/plain") if fault else self.app

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await answer(scope, receive, send_with_headers)


def find_fault(method: str, headers: Headers, hosts: tuple[str, ...]) -> str:
    """Why a request is refused; empty where it is not."""
    names = headers.getlist("host")
    if len(names) != 1 or names[0].lower() not in hosts:
        return f"This server answers to {' and '.join(hosts)} alone."
    if method not in ("GET", "HEAD") and headers.getlist("origin") != [f"http://{names[0].lower()}"]:
        return "This comes from another page."
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return "This comes from another page."
    return ""


def make_app(experiment: Experiment, desk: Desk, port: int) -> FastAPI:
    """The addresses of the page, served on a port of this machine."""

    @contextlib.asynccontextmanager
    async def work(app: FastAPI) -> AsyncIterator[None]:
        desk.start()
        yield
        desk.stop()

    app = FastAPI(lifespan=work, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Gate, hosts=(f"127.0.0.1:{port}", f"localhost:{port}"))
    page = render_page(experiment, desk)
    css = read_template("report.css") + read_template("try/page.css")
    javascript = read_template("js/dom.js") + read_template("try/page.js")

    @app.get("/")
    def show_page() -> HTMLResponse:
        return HTMLResponse(page)

    @app.get("/page.css")
    def show_style() -> Response:
        return Response(css, media_type="text/css")

    @app.get("/page.js")
    def show_script() -> Response:
        return Response(javascript, media_type="text/javascript")

    @app.get("/samples")
    def show_samples(words: str = "") -> list[dict[str, Any]]:
        return [{"id": one.id, "xml": one.xml, "reference": one.references[0]} for one in find_samples(desk, words)]

    @app.post("/drawings")
    async def caption_drawing(request: Request) -> Response:
        return tell_events(desk, await read_body(request, MAX_BYTES))

    @app.post("/samples")
    async def caption_sample(request: Request) -> Response:
        id = (await read_body(request, LONGEST_ID)).decode(errors="replace")
        if id not in desk.test:
            raise HTTPException(404, "the test split has no such sample")
        return tell_events(desk, desk.test[id])

    return app


def render_page(experiment: Experiment, desk: Desk) -> str:
    """The page before any drawing."""
    config = experiment.plan.config
    return (
        make_environment()
        .get_template("try/page.html.j2")
        .render(
            title=experiment.title,
            origin=experiment.origin,
            places=desk.places,
            families=FAMILY_LABELS,
            n_test=len(desk.test),
            preprocess=config["preprocess"],
            render=config["render"],
            most_mb=MAX_BYTES // 1_000_000,
        )
    )


def find_samples(desk: Desk, words: str) -> list[Sample]:
    """At most SHOWN test samples whose id or references hold all words; some by chance where there are no words."""
    wanted = words.lower().split()[:20]
    if not wanted:
        return random.sample(list(desk.test.values()), min(SHOWN, len(desk.test)))
    found = []
    for sample in desk.test.values():
        text = " ".join((sample.id, *sample.references)).lower()
        if all(word in text for word in wanted):
            found.append(sample)
            if len(found) == SHOWN:
                break
    return found


async def read_body(request: Request, most_bytes: int) -> bytes:
    """The body of a request; 413 as soon as it is too large."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most_bytes:
            raise HTTPException(413, f"larger than {most_bytes:,} bytes")
    return bytes(body)


def tell_events(desk: Desk, asked: bytes | Sample) -> Response:
    """The events of a drawing as lines of JSON, each as soon as it is there; 503 where too many wait."""
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[Event | None] = asyncio.Queue()

    def tell(event: Event | None) -> None:
        with contextlib.suppress(RuntimeError):  # the server has ended, and nobody listens
            loop.call_soon_threadsafe(events.put_nowait, event)

    try:
        request = desk.ask(asked, tell)
    except Busy as error:
        raise HTTPException(503, "too many drawings wait") from error

    async def lines() -> AsyncIterator[str]:
        try:
            while (event := await events.get()) is not None:
                yield json_line(event)
        finally:  # also where the browser has gone
            request.cancel()

    return StreamingResponse(lines(), media_type="application/x-ndjson")


def make_server(app: ASGIApp) -> uvicorn.Server:
    """A server that logs nothing but faults, and waits a second for open answers when it is to end."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            limit_concurrency=32,
            timeout_graceful_shutdown=1,
        )
    )
