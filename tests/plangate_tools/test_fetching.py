"""Fetching: what is refused before a connection is made, and what a hostile server gets. Servers on loopback only."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from plangate import ErrorType, ToolError
from plangate_tools import Fetcher, fetch_url, fetching
from plangate_tools.addresses import Refused, check_allowed, is_public, target_of

Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]
HTML = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1", "224.0.0.1",
        "240.0.0.1", "255.255.255.255", "203.0.113.9", "192.88.99.1",
        "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1",
        "fd00:ec2::254", "ff02::1", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::", "2001::1",
        "2001:db8::1", "100::1", "fec0::1", "5f00::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::1"])
def test_addresses_that_are(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/", "file:///etc/passwd", "gopher://example.com", "//example.com/", "example.com", "http://",
        "http://user@example.com/", "http://user:secret@example.com/", "http://example.com@evil.example/",
        "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/", "http://0x7f.1/",
        "http://127.0.0.1.0/", "http://017700000001/", "http://１２７.１/", "http://[fe80::1%25eth0]/",
        "http://[::1/", "http://exa mple.com/", "http://example.com\\@evil.example/", "http://example.com/\r\nX: y",
        "http://ex%61mple.com/", "http://example.com:99999/", "http://example.com/\u202e", "http://-x.example/",
        "http://a..example/", "https://example.com/" + "x" * 3000,
    ],
)  # fmt: skip
def test_urls_that_are_no_plain_ones(url: str) -> None:
    with pytest.raises(Refused):
        target_of(url)


def test_a_host_has_one_spelling() -> None:
    assert target_of("http://EXAMPLE.com./a?b=c#d").host == "example.com"
    assert target_of("http://ｅxample。com/").host == "example.com"
    assert target_of("https://example.com:8443/").authority == "example.com:8443"
    assert target_of("http://127.0.0.1/").host == "127.0.0.1"


@pytest.mark.parametrize(
    ("url", "allowed", "fine"),
    [
        ("https://example.com/", ["example.com"], True),
        ("https://www.example.com/", ["example.com"], False),
        ("https://www.example.com/", ["*.example.com"], True),
        ("https://example.com/", ["*.example.com"], False),
        ("https://evilexample.com/", ["*.example.com"], False),
        ("https://example.com.evil.example/", ["example.com"], False),
        ("https://example.com:8443/", ["example.com"], False),
        ("https://example.com:8443/", ["example.com:8443"], True),
        ("https://example.com/", [], False),
    ],
)
def test_only_the_websites_of_the_scope(url: str, allowed: list[str], fine: bool) -> None:
    if fine:
        check_allowed(target_of(url), allowed)
        return
    with pytest.raises(Refused, match="not among the websites"):
        check_allowed(target_of(url), allowed)


class Site:
    """A server on loopback; `answers` by path, `asked` what came in."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.answers, self.asked, self.port = answers, list[str](), 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
            answer = self.answers[self.asked[-1].split()[1]]
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(writer)
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def site(**answers: Answer) -> AsyncIterator[Site]:
    found = Site({f"/{name}": answer for name, answer in answers.items()})
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    async with server:
        found.port = server.sockets[0].getsockname()[1]
        yield found


class Names:
    """A name server in our hands."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers, self.asked = list(answers), list[str]()

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def loopback_too(address: Any) -> bool:
    """What the tests permit besides: the one address where their servers are."""
    return str(address) == "127.0.0.1" or is_public(address)


async def fetch(found: Site, path: str, names: Names | None = None, **more: Any) -> Any:
    fetcher = Fetcher(resolve=names or Names(["127.0.0.1"]), permits=loopback_too, **more)
    return await fetcher.fetch(f"http://shop.example:{found.port}/{path}", [f"shop.example:{found.port}"])


async def refusal(answer: Awaitable[Any]) -> ToolError:
    with pytest.raises(ToolError) as caught:
        await answer
    return caught.value


async def test_a_page_is_text_without_markup_and_goes_to_the_name_at_the_checked_address() -> None:
    body = b"<title>Hi</title><script>evil()</script><p>One</p><style>x</style><p>Two &amp; three</p>"
    async with site(page=HTML + body) as found:
        names = Names(["127.0.0.1"])
        page = await fetch(found, "page", names)
        assert page.text == "Hi\nOne\nTwo & three"
        assert f"Host: shop.example:{found.port}" in found.asked[0]
        assert "Accept-Encoding: identity" in found.asked[0]
        assert names.asked == ["shop.example"]


@pytest.mark.parametrize("answers", [["10.0.0.1"], ["93.184.216.34", "127.0.0.2"], ["::ffff:127.0.0.1"], []])
async def test_a_name_that_leads_inside_is_not_connected_to(answers: list[str]) -> None:
    async with site(page=HTML) as found:
        error = await refusal(fetch(found, "page", Names(answers)))
        assert error.type is ErrorType.BUSINESS
        assert found.asked == []


async def test_a_second_answer_of_the_name_server_leads_nowhere() -> None:
    """DNS rebinding: the name is asked once, and a redirect asks and checks anew."""
    again = b"HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    async with site(page=again, other=HTML + b"secret") as found:
        names = Names(["127.0.0.1"], ["169.254.169.254"])
        error = await refusal(fetch(found, "page", names))
        assert "169.254.169.254, which is not public" in str(error)
        assert len(found.asked) == 1


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1/admin", "http://169.254.169.254/latest/meta-data", "http://[::1]/", "file:///etc/passwd",
     "http://evil.example/", "http://shop.example@evil.example/", "//evil.example/", "", "http://[::1", "http://\xe9\x80\x80/"],
)  # fmt: skip
async def test_redirects_are_checked_like_a_first_url(location: str) -> None:
    head = f"HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    async with site(page=head.encode()) as found:
        error = await refusal(fetch(found, "page"))
        assert error.type is ErrorType.BUSINESS


async def test_redirects_end() -> None:
    head = b"HTTP/1.1 302 Found\r\nlocation: /page\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    async with site(page=head) as found:
        assert "redirects" in str(await refusal(fetch(found, "page")))
        assert len(found.asked) == fetching.MAX_REDIRECTS + 1


async def test_a_slow_drip_ends() -> None:
    gone = asyncio.Event()

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(HTML)
        try:
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        finally:
            gone.set()

    async with site(page=drip) as found:
        error = await refusal(fetch(found, "page", total_seconds=0.3))
        assert error.type is ErrorType.TIMEOUT
        await asyncio.wait_for(gone.wait(), 5)


async def test_a_decompression_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 30_000_000, 9)
    head = HTML.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n")
    async with site(page=head + bomb, fine=head + gzip.compress(b"small")) as found:
        assert "more than 1,000,000 bytes" in str(await refusal(fetch(found, "page")))
        assert (await fetch(found, "fine")).text == "small"


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n", "only text is read"),
        (b"HTTP/1.1 200 OK\r\n", "of no type"),
        (b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-encoding: br\r\n", "isn't read"),
        (b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-encoding: gzip\r\n", "can't be unpacked"),
        (b"HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\n", "HTTP 404"),
        (b"HTTP/1.1 503 Busy\r\ncontent-type: text/html\r\n", "HTTP 503"),
    ],
)
async def test_what_is_not_read(head: bytes, words: str) -> None:
    async with site(page=head + b"connection: close\r\n\r\nnot packed") as found:
        assert words in str(await refusal(fetch(found, "page")))


async def test_an_endless_body_ends() -> None:
    async with site(page=HTML + b"x" * 1_100_000) as found:
        assert "more than 1,000,000 bytes" in str(await refusal(fetch(found, "page")))


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with site(page=HTML + b"direct") as found:
        assert (await fetch(found, "page")).text == "direct"


async def test_the_tool_reads_nothing_that_the_scope_does_not_allow() -> None:
    from plangate import ToolContext
    from plangate.toolkit import TOOL_ATTRIBUTE

    with pytest.raises(ToolError, match="not among the websites"):
        await fetch_url(ToolContext(), "https://example.com/")
    settings = getattr(fetch_url, TOOL_ATTRIBUTE).settings
    assert (settings.returns, settings.targets) == ({"*": "web"}, {"url"})
