#!/usr/bin/env python3
"""Exchanges tokens for Envoy's ext_authz (RFC 8693); envoy/recipes/token_exchange.yaml.

Envoy asks once for each request that goes to a server. The question has two headers:

  x-caller-token   Bearer and the token that the caller has for the gateway
  x-resource       the URL of the server that a token is wanted for; Envoy sets it

The answer is 200 with `authorization`, the token for the server, or a status that
Envoy gives to the caller: 401 without a token, 403 when the authorization server
refuses, 502 when it does not answer.

  EXCHANGE_CLIENT_SECRET=… python3 examples/token_exchange.py --port 9004 \\
    --token-endpoint http://127.0.0.1:9003/token --client-id mcp-gateway

`--port 0` takes any free port and says which. Python's standard library is enough.
"""

import argparse
import base64
import http.server
import json
import os
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
# What may stand behind Bearer (RFC 6750, section 2.1).
TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
TIMEOUT_SECONDS = 4
# A token is not used in its last seconds: it has to last for the request, too.
MARGIN_SECONDS = 30
MAX_KEPT = 10_000


class Refused(Exception):
    """The authorization server gives no token."""


class Unreachable(Exception):
    """The authorization server does not answer, or answers nonsense."""


class Exchange:
    """The tokens of the authorization server, kept until they end."""

    def __init__(self, endpoint, client_id, secret):
        self.endpoint = endpoint
        credentials = f"{urllib.parse.quote_plus(client_id)}:{urllib.parse.quote_plus(secret)}"
        self.client = "Basic " + base64.b64encode(credentials.encode()).decode()
        self.kept = {}
        self.lock = threading.Lock()

    def token(self, subject_token, resource):
        """The token for `resource` of the one whom `subject_token` is about."""
        key = (subject_token, resource)
        now = time.monotonic()
        with self.lock:
            token, end = self.kept.get(key, (None, 0))
        if now < end:
            return token
        token, seconds = self.ask(subject_token, resource)
        with self.lock:
            if len(self.kept) >= MAX_KEPT:
                self.kept.clear()
            self.kept[key] = (token, now + seconds - MARGIN_SECONDS)
        return token

    def ask(self, subject_token, resource):
        form = urllib.parse.urlencode({
            "grant_type": GRANT,
            "subject_token": subject_token,
            "subject_token_type": ACCESS_TOKEN,
            "resource": resource,
        })
        request = urllib.request.Request(self.endpoint, form.encode(), {
            "authorization": self.client,
            "content-type": "application/x-www-form-urlencoded",
        })
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                granted = json.load(answer)
            token = granted["access_token"]
            if not TOKEN.fullmatch(token):
                raise ValueError("no token that a header can carry")
            return token, float(granted.get("expires_in", 0))
        except urllib.error.HTTPError as error:
            if error.code == 400:
                raise Refused from error
            # 401: these are the exchange's own credentials, not the caller's.
            raise Unreachable from error
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise Unreachable from error


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers what Envoy asks."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        # ext_authz sends the method of the request, and no body.
        scheme, _, token = self.headers.get("x-caller-token", "").partition(" ")
        resource = self.headers.get("x-resource", "")
        if scheme.lower() != "bearer" or not token:
            return self.say(401)
        if not resource:
            return self.say(500)
        try:
            return self.say(200, self.server.exchange.token(token, resource))
        except Refused:
            return self.say(403)
        except Unreachable:
            return self.say(502)

    do_GET = do_POST = do_DELETE = answer

    def say(self, status, token=None):
        self.send_response(status)
        if token is not None:
            self.send_header("authorization", f"Bearer {token}")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Tokens are in headers only, but nothing of a request is logged."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--port", type=int, default=9004)
    parser.add_argument("--token-endpoint", required=True)
    parser.add_argument("--client-id", required=True)
    args = parser.parse_args()
    secret = os.environ.get("EXCHANGE_CLIENT_SECRET", "")
    if not secret:
        parser.error("EXCHANGE_CLIENT_SECRET must be set")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", args.port), Handler)
    server.exchange = Exchange(args.token_endpoint, args.client_id, secret)
    print(f"exchange: http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
