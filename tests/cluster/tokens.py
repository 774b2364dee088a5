"""Access tokens of an authorization server (RFC 7515, RFC 7518 section 3.4, RFC 9068)."""

import base64
import json
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ISSUER, AUDIENCE = "https://login.example.com", "https://mcp.example.com/mcp"


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class Issuer:
    """The issuer that the manifests name. Its keys are at `ISSUER/.well-known/jwks.json`."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())

    def keys(self) -> dict:
        numbers = self.key.public_key().public_numbers()
        point = {name: _base64(value.to_bytes(32, "big")) for name, value in (("x", numbers.x), ("y", numbers.y))}
        return {"keys": [{"kty": "EC", "crv": "P-256", "kid": "tests", "alg": "ES256", "use": "sig", **point}]}

    def token(self, **claims) -> str:
        """A token that is valid for an hour. `claims` replaces or adds claims."""
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "someone", "exp": int(time.time()) + 3600} | claims
        header = {"alg": "ES256", "kid": "tests", "typ": "JWT"}
        signed = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
        r, s = decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_base64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
