"""What must be refused, by the authorization server or by the MCP servers."""

import unittest

import httpx2
from browser import parameters
from deployment import CALLBACK, person, server
from wire import SignIn, call, challenged, claims, discover, machine_token


class Refusals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.time, cls.weather = server("time"), server("weather")
        cls.resource, cls.endpoints = discover(cls.time)

    def sign_in(self, **changes):
        return SignIn(self.time, self.endpoints, changes=changes)

    def assert_refused(self, answer, error, status=400):
        # Without the answer itself: where it is wrong, it holds a token.
        self.assertEqual((answer.status_code, answer.json().get("error")), (status, error))

    def test_the_documents_are_for_this_server(self):
        self.assertEqual(self.resource["resource"], self.time.url)
        self.assertEqual(self.resource["authorization_servers"], [self.endpoints["issuer"]])
        self.assertEqual(self.endpoints["issuer"], self.time.issuer)
        self.assertEqual(self.endpoints["code_challenge_methods_supported"], ["S256"])

    def test_a_code_needs_its_verifier(self):
        sign_in = self.sign_in()
        code = sign_in.code(person())
        self.assert_refused(sign_in.exchange(code, code_verifier="x" * 64), "invalid_grant")
        self.assert_refused(sign_in.exchange(code, code_verifier=""), "invalid_grant")

    def test_a_code_works_once(self):
        sign_in = self.sign_in()
        code = sign_in.code(person())
        self.assertEqual(sign_in.exchange(code).status_code, 200)
        self.assert_refused(sign_in.exchange(code), "invalid_grant")

    def test_a_code_is_for_its_callback_and_its_client(self):
        sign_in = self.sign_in()
        code = sign_in.code(person())
        self.assert_refused(sign_in.exchange(code, redirect_uri="http://localhost:3000/callback"), "invalid_grant")
        self.assert_refused(sign_in.exchange(code, client_id=self.weather.user_client), "invalid_grant")

    def test_nobody_is_sent_to_another_callback(self):
        for other in ["http://localhost:6274/elsewhere", "https://example.com/", f"{CALLBACK}/../x"]:
            with self.subTest(other):
                answer = httpx2.get(self.sign_in(redirect_uri=other).url())
                self.assertEqual(answer.status_code, 400, answer.text)
                self.assertNotIn("location", answer.headers)

    def test_a_challenge_is_hashed(self):
        answer = httpx2.get(self.sign_in(code_challenge_method="plain").url())
        self.assertEqual(answer.status_code, 302)
        self.assertEqual(parameters(answer.headers["location"])["error"], "invalid_request")

    def test_a_client_gets_no_scope_of_another_server(self):
        answer = httpx2.get(self.sign_in(scope=self.weather.read).url())
        self.assertEqual(answer.status_code, 302)
        self.assertIn("error", parameters(answer.headers["location"]))

    def test_a_wrong_secret_gets_no_token(self):
        self.assert_refused(machine_token(self.time, self.endpoints, "wrong-secret"), "invalid_client")

    def test_a_refresh_token_is_for_its_client(self):
        sign_in = self.sign_in()
        refresh = sign_in.exchange(sign_in.code(person())).json()["refresh_token"]
        form = {"grant_type": "refresh_token", "refresh_token": refresh, "client_id": self.weather.user_client}
        self.assert_refused(httpx2.post(self.endpoints["token_endpoint"], data=form), "invalid_grant")

    def test_a_token_of_one_server_does_not_open_another(self):
        sign_in = self.sign_in()
        tokens = {
            "person": sign_in.exchange(sign_in.code(person())).json()["access_token"],
            "machine": machine_token(self.time, self.endpoints).json()["access_token"],
        }
        for whose, token in tokens.items():
            with self.subTest(whose):
                self.assertEqual(call(self.time, token).status_code, 200)
                answer = call(self.weather, token)
                self.assertEqual(answer.status_code, 401, answer.text)
                challenge = challenged(answer)
                self.assertEqual(challenge["error"], "invalid_token")
                self.assertTrue(challenge["resource_metadata"].endswith("/weather/mcp"), challenge)

    def test_a_token_bound_to_another_resource_is_refused(self):
        sign_in = self.sign_in(resource=self.weather.url)
        token = sign_in.exchange(sign_in.code(person())).json()["access_token"]
        self.assertEqual(claims(token)["aud"], self.weather.url)
        self.assertEqual(call(self.time, token).status_code, 401)
        # Bound to it, but without one of its scopes.
        answer = call(self.weather, token)
        self.assertEqual((answer.status_code, challenged(answer)["error"]), (403, "insufficient_scope"))

    def test_an_id_token_is_no_access_token(self):
        sign_in = self.sign_in(scope=f"openid {self.time.read}")
        token = sign_in.exchange(sign_in.code(person())).json()["id_token"]
        self.assertEqual(call(self.time, token).status_code, 401)


if __name__ == "__main__":
    unittest.main()
