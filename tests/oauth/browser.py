"""A browser without a screen, and a person who signs in with it on the local cloud's page."""

from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx2
from deployment import Person


class Form(HTMLParser):
    """The first form of a page: where it goes, and its fields as they are."""

    def __init__(self, page: str):
        super().__init__()
        self.action, self.fields = None, {}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "form" and self.action is None:
            self.action = attributes.get("action", "")
        elif tag == "input" and attributes.get("name"):
            self.fields[attributes["name"]] = attributes.get("value") or ""


def sign_in(authorization_url: str, person: Person) -> str:
    """Where the pages lead after the person has signed in: to the callback, with a code."""
    known = {
        "username": person.name,
        "password": person.password,
        "new_password": person.next_password,
        "confirm_password": person.next_password,
    }
    with httpx2.Client() as http:
        page = http.get(authorization_url)
        while page.status_code == 200:
            form = Form(page.text)
            # Each is told once: a page that asks again did not like it.
            fields = {name: known.pop(name) for name in form.fields if name in known}
            assert fields, f"nothing to tell this page: {page.text}"
            page = http.post(urljoin(str(page.url), form.action), data=form.fields | fields)
        assert page.status_code == 302, f"{page.status_code}: {page.text}"
        return page.headers["location"]


def parameters(url: str) -> dict[str, str]:
    """The query of a URL."""
    return dict(parse_qsl(urlsplit(url).query))
