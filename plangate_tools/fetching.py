"""The tool `fetch_url`: reads a page of the web, safe by construction.

Only http and https, only websites that the scope's table allows, only public addresses. A name is resolved once and the
connection goes to the address that was checked, so that no second answer of the name server can lead elsewhere. Each
redirect is checked like a first URL. Redirects, bytes, time and content types are bounded; proxies, cookies and
credentials of the environment are not used. What comes back is text of others (`web`).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urljoin

import httpx2
from pydantic import BaseModel, ConfigDict, Field

from plangate import ErrorType, ToolContext, ToolError, tool
from plangate_tools.addresses import MAX_URL, Address, Refused, Target, check_allowed, is_public, target_of
from plangate_tools.pages import decoded, text_of

MAX_REDIRECTS = 5
MAX_BYTES = 1_000_000
"""Bytes of a body at most, as sent and as unpacked."""
MAX_TEXT = 40_000
"""Characters that are handed on."""
TOTAL_SECONDS = 20.0
"""For everything, redirects included."""
CONNECT_SECONDS = 5.0
TYPES = ("text/", "application/json", "application/xml", "application/xhtml+xml", "application/ld+json")
AGENT = "plangate-fetch/1"

Resolve = Callable[[str, int], Awaitable[list[str]]]


class Page(BaseModel):
    """A page as it was found."""

    model_config = ConfigDict(frozen=True)

    url: str = Field(description="Where it was found, after redirects.")
    content_type: str
    text: str = Field(description="Its text; of HTML without markup, scripts and styles.")
    cut: bool = Field(default=False, description="Whether the text was longer.")


async def resolve_host(host: str, port: int) -> list[str]:
    """The addresses of a host, by the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


@dataclass(frozen=True)
class Fetcher:
    """Fetches pages.

    Attributes:
        resolve: Finds a host's addresses.
        permits: Says which addresses may be connected to. Another one than `is_public` is for tests.
        tls: How servers prove who they are; the system's certificates when None.
        total_seconds: For everything, redirects included.
    """

    resolve: Resolve = resolve_host
    permits: Callable[[Address], bool] = is_public
    tls: ssl.SSLContext | None = None
    total_seconds: float = TOTAL_SECONDS

    async def fetch(self, url: str, allowed: Sequence[str]) -> Page:
        """Read a page.

        Args:
            url: Its address.
            allowed: Domains that may be read, see `check_allowed`.

        Raises:
            ToolError: A business error for what isn't fetched and for a page that isn't there; transient when trying
                again may help.
        """
        try:
            async with asyncio.timeout(self.total_seconds):
                return await self._follow(url, allowed)
        except Refused as refusal:
            raise ToolError(f"{url[:200]!r} is not fetched: {refusal}") from None
        except (TimeoutError, httpx2.TimeoutException):
            said = f"{url[:200]!r} did not answer completely within {self.total_seconds:g} s"
            raise ToolError(said, transient=True, type=ErrorType.TIMEOUT) from None
        except httpx2.InvalidURL as error:
            raise ToolError(f"{url[:200]!r} is not fetched: it can't be read: {error}") from None
        except httpx2.HTTPError as error:
            said = f"{url[:200]!r} can't be read: {type(error).__name__}"
            raise ToolError(said, transient=True, type=ErrorType.NETWORK) from None

    async def _follow(self, url: str, allowed: Sequence[str]) -> Page:
        secure = False
        for _ in range(MAX_REDIRECTS + 1):
            target = target_of(url)
            if secure and target.scheme != "https":
                raise Refused("a redirect leads from https to http")
            secure = target.scheme == "https"
            check_allowed(target, allowed)
            found = await self._get(target, await self._address(target))
            if isinstance(found, Page):
                return found
            url = found
        raise Refused(f"more than {MAX_REDIRECTS} redirects")

    async def _address(self, target: Target) -> Address:
        """The checked address to connect to: the first, if every one that the host has may be connected to."""
        try:
            found = [str(ipaddress.ip_address(target.host))]
        except ValueError:
            try:
                found = await self.resolve(target.host, target.port)
            except OSError as error:
                said = f"the host {target.host!r} can't be found: {error.strerror or error}"
                raise ToolError(said, transient=True, type=ErrorType.NETWORK) from None
        addresses = [_parsed(each) for each in found]
        if not addresses:
            raise Refused(f"{target.host!r} has no address")
        for address in addresses:
            if not self.permits(address):
                raise Refused(f"{target.host!r} leads to {address}, which is not public")
        return addresses[0]

    async def _get(self, target: Target, address: Address) -> Page | str:
        """The page, or where it redirects to."""
        host = f"[{address}]" if address.version == 6 else str(address)
        headers = {
            "Host": target.authority,
            "User-Agent": AGENT,
            "Accept-Encoding": "identity",
            "Accept": "text/*",
        }
        client = httpx2.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            verify=self.tls or ssl.create_default_context(),
            timeout=httpx2.Timeout(self.total_seconds, connect=CONNECT_SECONDS),
        )
        where = f"{target.scheme}://{host}:{target.port}{target.path}"
        options = {"sni_hostname": target.host}
        async with client, client.stream("GET", where, headers=headers, extensions=options) as response:
            if response.is_redirect:
                return _redirected(target, response.headers.get("location", ""))
            _check_status(target, response)
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if not kind.startswith(TYPES):
                raise Refused(f"it is {kind or 'of no type'}, and only text is read")
            raw = b"".join([piece async for piece in unpacked(response)])
        text = await asyncio.to_thread(_read, raw, response.charset_encoding, html="html" in kind)
        return Page(url=target.url, content_type=kind, text=text[:MAX_TEXT], cut=len(text) > MAX_TEXT)


def _read(raw: bytes, charset: str | None, *, html: bool) -> str:
    text = decoded(raw, charset)
    return text_of(text) if html else text


def _parsed(text: str) -> Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise Refused(f"{text!r} is no address") from None


def _redirected(target: Target, location: str) -> str:
    try:
        return urljoin(target.url, location)
    except ValueError as error:
        raise Refused(f"it redirects to what can't be read: {error}") from None


def _check_status(target: Target, response: httpx2.Response) -> None:
    status = response.status_code
    if status == 429 or status >= 500:
        raise ToolError(f"{target.url!r} answered with HTTP {status}", transient=True)
    if status != 200:
        raise ToolError(f"{target.url!r} answered with HTTP {status}")


async def unpacked(response: httpx2.Response) -> AsyncIterator[bytes]:
    """The body, piece by piece; stops before a body or what it unpacks to is larger than `MAX_BYTES`.

    Raises:
        Refused: When it is larger, or packed in a way that isn't read.
    """
    packing = response.headers.get("content-encoding", "identity").strip().lower()
    if packing not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise Refused(f"its body is packed as {packing!r}, which isn't read")
    unpack = None if packing in ("identity", "") else zlib.decompressobj(wbits=47 if "gzip" in packing else 15)
    came = made = 0
    async for piece in response.aiter_raw():
        came += len(piece)
        try:
            part = piece if unpack is None else unpack.decompress(piece, MAX_BYTES + 1 - made)
        except zlib.error as error:
            raise Refused(f"its body can't be unpacked: {error}") from None
        made += len(part)
        if max(came, made) > MAX_BYTES:
            raise Refused(f"it has more than {MAX_BYTES:,} bytes")
        yield part


@tool(
    effect="read",
    timeout=30,
    retries=2,
    dependency="web",
    summary="Read {url}",
    returns="web",
    targets={"url"},
)
async def fetch_url(
    ctx: ToolContext,
    url: Annotated[str, Field(min_length=8, max_length=MAX_URL, description="A page of one of the allowed websites.")],
) -> Page:
    """Read a page of the web as text. Only the websites that the scope allows are read."""
    return await Fetcher().fetch(url, ctx.websites)
