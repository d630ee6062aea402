"""The official Python SDK finds its way from the server's 401 to a tool's result, by itself."""

import asyncio
import logging
import time
import unittest

from browser import parameters, sign_in
from deployment import CALLBACK, invited, person, server
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata
from wire import claims

# unittest runs asyncio in its debug mode, which tells of every step that takes a while.
logging.getLogger("asyncio").setLevel(logging.ERROR)


class Storage:
    """Tokens in memory, and the client that the stack made."""

    def __init__(self, client=None):
        self.client, self.tokens = client, None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        raise AssertionError("the client is known: there is none to register")


class Session:
    """Requests with a provider's tokens, and what was asked on the way."""

    def __init__(self, url, provider):
        self.url, self.provider, self.seen = url, provider, []

    async def _saw(self, response):
        self.seen.append((response.request.method, str(response.request.url), response.status_code))

    async def call(self, tool, arguments):
        """The text that a tool answers, from a new connection."""
        http = create_mcp_http_client(auth=self.provider)
        http.event_hooks["response"].append(self._saw)
        async with http, Client(streamable_http_client(self.url, http_client=http)) as client:
            tools = [one.name for one in (await client.list_tools()).tools]
            assert tool in tools, tools
            result = await client.call_tool(tool, arguments)
            assert not result.is_error, result
            return result.content[0].text


class AuthorizationCode(unittest.IsolatedAsyncioTestCase):
    """Authorization code with PKCE, by the public client."""

    def setUp(self):
        self.server = server("time")
        self.pages, self.person = [], person()
        metadata = {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}
        client = OAuthClientInformationFull(client_id=self.server.user_client, **metadata)
        self.storage = Storage(client)
        self.provider = OAuthClientProvider(
            self.server.url, OAuthClientMetadata(**metadata), self.storage, self.show, self.answer
        )
        self.session = Session(self.server.url, self.provider)

    async def show(self, url):
        self.pages.append(url)

    async def answer(self):
        callback = await asyncio.to_thread(sign_in, self.pages[-1], self.person)
        return AuthorizationCodeResult(**parameters(callback))

    async def test_a_person_signs_in_and_calls_a_tool(self):
        text = await self.session.call("get_current_time", {"timezone": "Europe/Paris"})
        self.assertIn("Europe/Paris", text)

        base, path = self.server.url.removesuffix("/time/mcp"), "/time"
        steps = [
            ("POST", self.server.url, 401),
            ("GET", f"{base}/.well-known/oauth-protected-resource{path}/mcp", 200),
        ]
        self.assertEqual(self.session.seen[:2], steps)
        method, url, status = self.session.seen[2]
        self.assertEqual((method, status), ("GET", 200))
        self.assertIn("/.well-known/oauth-authorization-server/", url)
        self.assertEqual([step[0::2] for step in self.session.seen[3:5]], [("POST", 200), ("POST", 200)])

        asked = parameters(self.pages[0])
        self.assertEqual(asked["code_challenge_method"], "S256")
        self.assertEqual(asked["resource"], self.server.url)
        self.assertEqual(asked["scope"], self.server.read)

        said = claims(self.storage.tokens.access_token)
        self.assertEqual(said["aud"], self.server.url)
        self.assertEqual(said["client_id"], self.server.user_client)
        self.assertEqual(said["scope"], self.server.read)

    async def test_who_is_invited_chooses_a_password_first(self):
        self.person = invited()
        await self.session.call("get_current_time", {"timezone": "UTC"})
        self.assertEqual(claims(self.storage.tokens.access_token)["aud"], self.server.url)

    async def test_an_expired_token_is_refreshed_without_the_person(self):
        await self.session.call("get_current_time", {"timezone": "UTC"})
        first = self.storage.tokens
        self.assertTrue(first.refresh_token)
        self.provider.context.token_expiry_time = time.time() - 1
        self.session.seen.clear()
        await self.session.call("get_current_time", {"timezone": "UTC"})
        self.assertEqual(len(self.pages), 1, "no second sign-in")
        self.assertNotIn(401, [status for _, _, status in self.session.seen])
        self.assertNotEqual(self.storage.tokens.access_token, first.access_token)
        self.assertEqual(claims(self.storage.tokens.access_token)["aud"], self.server.url)


class ClientCredentials(unittest.IsolatedAsyncioTestCase):
    """Client credentials, by the machine client."""

    CALLS = {"time": ("get_current_time", {"timezone": "UTC"}), "weather": ("get_alerts", {"state": "CO"})}

    async def test_a_machine_calls_a_tool_of_each_server(self):
        for name, (tool, arguments) in self.CALLS.items():
            with self.subTest(name):
                found, storage = server(name), Storage()
                provider = ClientCredentialsOAuthProvider(
                    found.url, storage, found.machine_client, found.machine_secret, issuer=found.issuer
                )
                session = Session(found.url, provider)
                self.assertTrue(await session.call(tool, arguments))
                self.assertEqual(session.seen[0], ("POST", found.url, 401))
                said = claims(storage.tokens.access_token)
                self.assertEqual((said["client_id"], said["scope"]), (found.machine_client, found.read))


if __name__ == "__main__":
    unittest.main()
