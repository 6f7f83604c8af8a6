"""The demo of `ptb serve`: a web page on this machine that queries an export.

Everything comes from here: the page loads nothing from another host, and its headers forbid it to.
Requests for another host name are refused, so that no web site can reach the server through a name
of its own that it points at this machine (DNS rebinding). A silent client loses its connection
after TIMEOUT_SECONDS.
"""

from __future__ import annotations

import ipaddress
import math
import re
import socket
import threading
from collections.abc import Collection, Sequence
from pathlib import Path

from flask import Flask, jsonify, request, send_file
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import BadRequest, HTTPException, NotFound, ServiceUnavailable
from werkzeug.serving import BaseWSGIServer, ThreadedWSGIServer, WSGIRequestHandler

from ptb.data.summary import exp_of_nats
from ptb.data.text import UNIT, UNITS
from ptb.machine import strict_json
from ptb.serving.client import LoadedExport
from ptb.serving.refusal import Refused
from ptb.serving.surprisal import Word

MAX_CHARACTERS = 2000
MAX_WORDS = 200
MAX_TEMPERATURE = 5
# Of the last words of a text the page shows what happened inside the model, one client at a time.
INSIDE_WORDS, MAX_INSIDE_WAIT_SECONDS = 48, 5
# A text of MAX_CHARACTERS whose every character is written as two \\uXXXX, and room for the rest.
MAX_BODY_BYTES = 12 * MAX_CHARACTERS + 1000
EXPLORE_PAGE = Path(__file__).with_name("explore.html")
# The interactive page allows its own style and script by their hashes, and nothing else: it has a
# policy of its own, which cannot hold this one directive.
EXPLORE_POLICY = "frame-ancestors 'none'"
TIMEOUT_SECONDS, MAX_CONNECTIONS = 10, 32
LOCAL_HOSTS = ("localhost",)
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def create_app(export: LoadedExport, trusted_hosts: Collection[str] | None = None) -> Flask:
    """Creates the web application.

    It answers to the names `trusted_hosts`, in small letters, and to loopback addresses, which no
    web site has for a name; without `trusted_hosts` to every host.
    """
    app = Flask(__name__, static_folder="page", static_url_path="/page")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json = _StrictJson(app)
    inside_lock = threading.Lock()
    for path, method, view in (
        ("/", "GET", lambda: app.send_static_file("index.html")),
        ("/explore", "GET", lambda: send_file(EXPLORE_PAGE)),
        ("/model", "GET", lambda: _model(export)),
        ("/read", "POST", lambda: _read(export)),
        ("/continue", "POST", lambda: _continue(export)),
        ("/inside", "POST", lambda: _inside(export, inside_lock)),
    ):
        app.add_url_rule(path, endpoint=path, view_func=view, methods=[method])
    app.register_error_handler(HTTPException, _as_json)
    app.register_error_handler(Refused, lambda error: _as_json(BadRequest(str(error))))

    @app.before_request
    def check_host():
        if trusted_hosts is not None and not _is_trusted(request.host, trusted_hosts):
            raise BadRequest("This page does not answer to that host name.")

    @app.after_request
    def add_headers(response):
        response.headers.update(HEADERS)
        if request.path == "/explore":
            response.headers["Content-Security-Policy"] = EXPLORE_POLICY
        return response

    return app


def listen(app: Flask, host: str, port: int) -> BaseWSGIServer:
    """Makes a server on the port (0: any free port). Raises OSError if the port is not available.

    Call `serve_forever` on it.
    """
    family, address = _addresses(host)[0]
    with socket.create_server((address, port), family=family) as listener:
        port = listener.getsockname()[1]
        return _Server(address, port, app, _Handler, fd=listener.fileno())


class _StrictJson(DefaultJSONProvider):
    """JSON that a browser can parse, even for NaN and infinity."""

    def dumps(self, obj, **kwargs):
        return strict_json.dumps(obj)


def is_local(host: str) -> bool:
    """Whether the host is a loopback address. Raises OSError for an unknown name."""
    return all(_is_loopback(address) for _, address in _addresses(host))


def _addresses(host: str) -> list[tuple[int, str]]:
    """The family and address of each address of the host, IPv4 first."""
    infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = [(family, address[0]) for family, *_, address in infos]
    return sorted(addresses, key=lambda each: each[0] != socket.AF_INET)


def _is_loopback(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback


def _is_trusted(host: str, names: Collection[str]) -> bool:
    """Whether a `Host` header has one of the names, or a loopback address."""
    name = re.sub(r":\d*$", "", host).lower()
    return name in names or _is_loopback(name.removeprefix("[").removesuffix("]"))


class _Server(ThreadedWSGIServer):
    """A server with one thread for each connection. Beyond MAX_CONNECTIONS, connections wait."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._free = threading.Semaphore(MAX_CONNECTIONS)

    def process_request(self, request, client_address):
        self._free.acquire()
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self._free.release()
            raise

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()


class _Handler(WSGIRequestHandler):
    """A handler that drops silent clients and logs no line for each request."""

    timeout = TIMEOUT_SECONDS

    def log_request(self, *args):
        pass


def _model(export: LoadedExport):
    card = export.card
    return jsonify(
        {name: card[name] for name in ("name", "tokens", "vocab_size", "num_weights")}
        | {"unit": UNIT[card["tokens"]], "units": UNITS[card["tokens"]]}
        | {"perplexities": card["perplexities"], "max_characters": MAX_CHARACTERS}
        | {name: card["config"].get(name) for name in ("cell", "num_layers", "hidden_size")}
        | {
            "corpus": card["corpus"].get("name"),
            "fingerprint": card["corpus"].get("fingerprint"),
            "num_steps": card["config"].get("num_steps"),
            "has_inside": export.can_look_inside,
        }
    )


def _read(export: LoadedExport):
    reading = export.read(_text())
    following = [
        {"word": word.text, "adds": word.adds, "probability": word.probability}
        for word in reading.next_words
    ]
    bits = [word.bits for word in reading.words if word.bits is not None]
    perplexity = exp_of_nats(math.fsum(bits) * math.log(2) / len(bits)) if bits else None
    return jsonify(
        words=_words(reading.words),
        next_words=following,
        left_out=reading.left_out,
        perplexity=perplexity,
    )


def _continue(export: LoadedExport):
    num_words = _number("num_words", int, 1, MAX_WORDS)
    temperature = _number("temperature", (int, float), 0, MAX_TEMPERATURE)
    top_k = _number("top_k", int, 0, export.card["vocab_size"])
    seed = _number("seed", int, 0, 2**31 - 1)
    return jsonify(text=export.generate(_text(), num_words, float(temperature), top_k, seed))


def _inside(export: LoadedExport, lock: threading.Lock):
    """What happened in a layer at the last words; `units` `[]` are those that vary most."""
    if not export.can_look_inside:
        raise NotFound("This export cannot show its gates: export the model anew.")
    text, layer, units = _text(), _number("layer", int, 0, 2**31 - 1), _units()
    if not lock.acquire(timeout=MAX_INSIDE_WAIT_SECONDS):
        raise ServiceUnavailable("The model is busy with other texts: try again.")
    try:
        look = export.look_inside(text, INSIDE_WORDS, layer, units)
    finally:
        lock.release()
    shown = [
        {"unit": unit, "values": {name: strict_json.rounded(row) for name, row in values.items()}}
        for unit, values in look.activations.items()
    ]
    gradients = [strict_json.rounded(row[:t]) for t, row in enumerate(look.importance)]
    words = _words(look.words)
    return jsonify(start=look.start, words=words, units=shown, gradient_norms=gradients)


def _words(words: Sequence[Word]) -> list[dict]:
    return [{"text": each.text, "bits": each.bits, "is_unknown": each.is_unknown} for each in words]


def _units() -> list[int]:
    units = _field("units")
    if not isinstance(units, list) or not all(
        type(each) is int and 0 <= each < 2**31 for each in units
    ):
        raise BadRequest("units must be a list of numbers from 0")
    return units


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
    try:
        body = request.get_json()
    except RecursionError:
        raise BadRequest("the JSON is nested too deep") from None
    if not isinstance(body, dict) or name not in body:
        raise BadRequest(f"{name} is missing")
    return body[name]


def _as_json(error: HTTPException):
    if error.code == 413:
        error.description = f"The page reads at most {MAX_CHARACTERS:,} characters."
    return jsonify(error=error.description), error.code
