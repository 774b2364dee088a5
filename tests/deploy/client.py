"""Requests as MCP clients send them, with tokens of the issuer that the manifests name."""

import base64
import hashlib
import hmac
import http.client
import json
import time
from urllib.parse import urlsplit

ISSUER, AUDIENCE = "https://login.example.com", "https://mcp.example.com/mcp"
SECRET = b"a key of the tests, and of nobody else"
VERSION = "2026-07-28"
META = {"io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": {}}


def _base64(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


JWKS = {"keys": [{"kty": "oct", "kid": "tests", "alg": "HS256", "k": _base64(SECRET)}]}


def token(**claims):
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "someone", "exp": int(time.time()) + 3600} | claims
    parts = [{"alg": "HS256", "kid": "tests"}, claims]
    signed = ".".join(_base64(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{_base64(hmac.digest(SECRET, signed.encode(), hashlib.sha256))}"


USER, ADMIN = token(), token(role="admin")


def modern(method, name=None, said=None, padding=0, **headers):
    """A request, with `Mcp-Name: said` where a client lies about its name."""
    params = {"_meta": META}
    if name:
        params |= {"name": name, "arguments": {"city": "Berlin", "padding": "x" * padding}}
        headers["mcp-name"] = said or name
    headers |= {"mcp-protocol-version": VERSION, "mcp-method": method}
    return _post(method, params, headers)


def legacy(method, params, **headers):
    return _post(method, params, headers)


def _post(method, params, headers):
    body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"} | headers
    return "POST", {name.replace("_", "-"): value for name, value in headers.items()}, body


def preflight(origin):
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "mcp-method"}
    return "OPTIONS", {"origin": origin} | asked, ""


def send(url, request, bearer=None, within=30):
    """Status, headers and text of the answer; status 0: none in time."""
    method, headers, body = request
    if bearer:
        headers = headers | {"authorization": f"Bearer {bearer}"}
    to = urlsplit(url)
    connection = http.client.HTTPConnection(to.hostname, to.port, timeout=within)
    try:
        connection.request(method, to.path, body, headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    except TimeoutError:
        return 0, {}, ""
    finally:
        connection.close()
