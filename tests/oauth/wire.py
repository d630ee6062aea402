"""OAuth and MCP by hand, one request at a time, so that each can be made wrong."""

import base64
import dataclasses
import hashlib
import json
import re
import secrets
from urllib.parse import urlencode, urlsplit

import httpx2
from browser import parameters, sign_in
from deployment import CALLBACK, Person, Server

PING = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ACCEPT = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}


def call(server: Server, token: str | None = None) -> httpx2.Response:
    """The answer of the server to a listing of its tools."""
    headers = ACCEPT | ({"authorization": f"Bearer {token}"} if token else {})
    return httpx2.post(server.url, json=PING, headers=headers)


def challenged(answer: httpx2.Response) -> dict[str, str]:
    """The parameters of the challenge that an answer carries (RFC 6750 section 3)."""
    return dict(re.findall(r'(\w+)="([^"]*)"', answer.headers.get("www-authenticate", "")))


def document(url: str) -> dict:
    """A metadata document."""
    answer = httpx2.get(url)
    assert answer.status_code == 200, f"{url}: {answer.status_code} {answer.text}"
    return answer.json()


def discover(server: Server) -> tuple[dict, dict]:
    """From the 401 to the metadata of the resource (RFC 9728), and of its authorization server (RFC 8414)."""
    resource = document(challenged(call(server))["resource_metadata"])
    issuer = urlsplit(resource["authorization_servers"][0])
    well_known = issuer._replace(path=f"/.well-known/oauth-authorization-server{issuer.path}")
    return resource, document(well_known.geturl())


def claims(token: str) -> dict:
    """What a token says. It is not verified: that is for the server to do."""
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


@dataclasses.dataclass
class SignIn:
    """One authorization request with PKCE (RFC 7636), each part of which can be replaced."""

    server: Server
    endpoints: dict
    verifier: str = dataclasses.field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)
    changes: dict = dataclasses.field(default_factory=dict)

    def url(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.server.user_client,
            "redirect_uri": CALLBACK,
            "scope": self.server.read,
            "state": secrets.token_urlsafe(12),
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "resource": self.server.url,
        }
        return f"{self.endpoints['authorization_endpoint']}?{urlencode(query | self.changes)}"

    def code(self, person: Person) -> str:
        """A code, for a person who signs in."""
        return parameters(sign_in(self.url(), person))["code"]

    def exchange(self, code: str, **changes: str) -> httpx2.Response:
        """The answer to a code."""
        form = {
            "grant_type": "authorization_code",
            "client_id": self.server.user_client,
            "redirect_uri": CALLBACK,
            "code": code,
            "code_verifier": self.verifier,
        }
        return httpx2.post(self.endpoints["token_endpoint"], data=form | changes)


def machine_token(server: Server, endpoints: dict, secret: str | None = None) -> httpx2.Response:
    """The answer to the machine client's credentials."""
    form = {"grant_type": "client_credentials", "scope": server.read}
    auth = (server.machine_client, secret or server.machine_secret)
    return httpx2.post(endpoints["token_endpoint"], data=form, auth=auth)
