"""The demo: one page on this machine, and the three questions that it asks of an export.

Everything comes from here: the page loads nothing from another host, and its headers forbid it to.
Requests for another host name are refused, so that no web site can reach the server through a name
of its own that it points at this machine (DNS rebinding).
"""

from __future__ import annotations

import math
import socket

from flask import Flask, jsonify, request
from werkzeug.exceptions import BadRequest, HTTPException
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from serving.client import LoadedExport
from serving.refusal import Refused

MAX_CHARACTERS = 2000
MAX_WORDS = 200
MAX_TEMPERATURE = 5
# A text of MAX_CHARACTERS whose every character is written as two \\uXXXX, and room for the rest.
MAX_BODY_BYTES = 12 * MAX_CHARACTERS + 1000
LOCAL_HOSTS = ["127.0.0.1", "localhost"]
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def create_app(export: LoadedExport, trusted_hosts: list[str] | None = None) -> Flask:
    """The web application. It answers only to `trusted_hosts`; to any host without them."""
    app = Flask(__name__, static_folder="page", static_url_path="/page")
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY_BYTES, TRUSTED_HOSTS=trusted_hosts)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask declares the base class
    for path, method, view in (
        ("/", "GET", lambda: app.send_static_file("index.html")),
        ("/model", "GET", lambda: _model(export)),
        ("/read", "POST", lambda: _read(export)),
        ("/continue", "POST", lambda: _continue(export)),
    ):
        app.add_url_rule(path, endpoint=path, view_func=view, methods=[method])
    app.register_error_handler(HTTPException, _as_json)
    app.register_error_handler(Refused, lambda error: _as_json(BadRequest(str(error))))

    @app.after_request
    def add_headers(response):
        response.headers.update(HEADERS)
        return response

    return app


def listen(app: Flask, host: str, port: int) -> BaseWSGIServer:
    """A server that is bound to the port (0: any that is free). Raises OSError where it is taken.

    Call `serve_forever` on it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
        port = listener.getsockname()[1]
        return make_server(host, port, app, True, request_handler=_Quiet, fd=listener.fileno())


class _Quiet(WSGIRequestHandler):
    """Does not print a line for every key that is pressed."""

    def log_request(self, *args):
        pass


def _model(export: LoadedExport):
    card = export.card
    return jsonify(
        name=card["name"],
        tokens=card["tokens"],
        vocab_size=card["vocab_size"],
        perplexities=card["perplexities"],
        max_characters=MAX_CHARACTERS,
    )


def _read(export: LoadedExport):
    reading = export.read(_text())
    words = [
        {"text": word.text, "bits": word.bits, "is_unknown": word.is_unknown}
        for word in reading.words
    ]
    following = [{"word": word, "probability": p} for word, p in reading.next_words]
    bits = [word.bits for word in reading.words]
    perplexity = 2 ** min(math.fsum(bits) / len(bits), 1000) if bits else None
    return jsonify(words=words, next_words=following, perplexity=perplexity)


def _continue(export: LoadedExport):
    num_words = _number("num_words", int, 1, MAX_WORDS)
    temperature = _number("temperature", (int, float), 0, MAX_TEMPERATURE)
    seed = _number("seed", int, 0, 2**31 - 1)
    # As in `read`, the text is the start of a line.
    text = export.generate(f"\n{_text()}", num_words, float(temperature), seed=seed)
    return jsonify(text=text.removeprefix("\n"))


def _text() -> str:
    text = _field("text")
    if not isinstance(text, str):
        raise BadRequest("text must be a string")
    if len(text) > MAX_CHARACTERS:
        raise BadRequest(
            f"This text has {len(text):,} characters, and the page reads at most "
            f"{MAX_CHARACTERS:,}: please shorten it."
        )
    return text


def _number(name: str, kinds, low, high):
    value = _field(name)
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        raise BadRequest(f"{name} must be a number from {low} to {high}")
    return value


def _field(name: str):
    body = request.get_json()
    if not isinstance(body, dict) or name not in body:
        raise BadRequest(f"{name} is missing")
    return body[name]


def _as_json(error: HTTPException):
    if error.code == 413:
        error.description = f"The page reads at most {MAX_CHARACTERS:,} characters."
    return jsonify(error=error.description), error.code
