"""Credentials: refreshed in time, once for all, never seen."""

from __future__ import annotations

import asyncio
import dataclasses
import io
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography.fernet import Fernet
from pydantic import SecretStr, ValidationError
from sqlalchemy import text

from activities.catalogue import BrokenAgent, Catalogue, load_agent
from activities.credentials.cipher import Cipher
from activities.credentials.keeper import Credentials
from activities.credentials.masking import KNOWN, KnownSecrets, mask_line
from activities.storage import tables
from activities.storage.credentials import CredentialTable
from activities.storage.store import Store
from activities.tool_calls import ToolActivities
from plangate.credentials import Credential, CredentialSource, refresh_due
from plangate.errors import ErrorType, InvalidInput
from plangate.tool_context import ToolContext, ToolError
from plangate.toolkit import TOOL_ATTRIBUTE, tool
from tests.activities.catalogue_folders import make_folder
from tests.activities.tool_agent import Bench, bench_on

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = Fernet.generate_key().decode()
OLD_KEY = Fernet.generate_key().decode()


@dataclasses.dataclass
class Issuer:
    """The far side that gives secrets, and the clock of the tests."""

    now: datetime = T0
    life: timedelta | None = timedelta(minutes=5)
    asked: int = 0
    fault: Exception | None = None
    go_on: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.go_on.set()

    def clock(self) -> datetime:
        return self.now

    def secret(self, number: int) -> str:
        return f"s3cret-{id(self)}-number-{number}"

    async def issue(self, ctx: ToolContext) -> Credential:
        self.asked += 1
        number = self.asked
        assert (ctx.run, ctx.user, ctx.agent) == ("", None, "shop")
        await self.go_on.wait()
        if self.fault is not None:
            raise self.fault
        ends = self.now + self.life if self.life else None
        return Credential(value=SecretStr(self.secret(number)), expires_at=ends)


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
async def bench(store: Store, tmp_path: Path, issuer: Issuer) -> Bench:
    made = await bench_on(store, tmp_path / "agents")
    source = CredentialSource("payments", issuer.issue, "ctx")
    made.agent = dataclasses.replace(made.agent, credentials={"payments": source})
    return made


@pytest.fixture
async def other(database_url: str, store: Store) -> AsyncIterator[Store]:
    """The same database, as another worker opens it."""
    async with await Store.open(database_url) as opened:
        yield opened


async def obtain(credentials: Credentials, bench: Bench, **options: Any) -> str:
    return (await credentials.obtain(bench.agent, "payments", {}, **options)).get_secret_value()


def test_refreshed_before_it_expires_by_a_tenth_of_its_life() -> None:
    assert refresh_due(None, obtained_at=T0) is None
    assert refresh_due(T0 + timedelta(hours=1), obtained_at=T0) == T0 + timedelta(minutes=59)
    assert refresh_due(T0 + timedelta(seconds=100), obtained_at=T0) == T0 + timedelta(seconds=90)


def test_a_credential_shows_no_value() -> None:
    credential = Credential(value=SecretStr("a-long-secret"))
    assert "a-long" not in f"{credential!r} {credential}"
    with pytest.raises(ValidationError, match="at least 8"):
        Credential(value=SecretStr("short"))


async def test_refreshed_before_use(bench: Bench, issuer: Issuer) -> None:
    credentials = Credentials(bench.store, now=issuer.clock)
    assert await obtain(credentials, bench) == issuer.secret(1)
    issuer.now = T0 + timedelta(seconds=269)
    assert await obtain(credentials, bench) == issuer.secret(1)
    issuer.now = T0 + timedelta(seconds=270)
    assert await obtain(credentials, bench) == issuer.secret(2)
    issuer.life = None
    issuer.now = T0 + timedelta(days=1)
    assert await obtain(credentials, bench) == issuer.secret(3)
    issuer.now = T0 + timedelta(days=900)
    assert await obtain(credentials, bench) == issuer.secret(3)


async def test_those_who_come_at_once_share_a_refresh(bench: Bench, issuer: Issuer) -> None:
    credentials = Credentials(bench.store, now=issuer.clock)
    assert set(await asyncio.gather(*(obtain(credentials, bench) for _ in range(5)))) == {issuer.secret(1)}
    refused = SecretStr(issuer.secret(1))
    found = await asyncio.gather(*(obtain(credentials, bench, refused=refused) for _ in range(5)))
    assert (set(found), issuer.asked) == ({issuer.secret(2)}, 2)


async def test_two_workers_at_once_refresh_once(bench: Bench, other: Store, issuer: Issuer) -> None:
    one = Credentials(bench.store, cipher=Cipher(f"{KEY},{OLD_KEY}"), worker="one", now=issuer.clock)
    two = Credentials(other, cipher=Cipher(KEY), worker="two", now=issuer.clock)
    assert await asyncio.gather(obtain(one, bench), obtain(two, bench)) == [issuer.secret(1)] * 2
    refused = SecretStr(issuer.secret(1))
    both = await asyncio.gather(obtain(one, bench, refused=refused), obtain(two, bench, refused=refused))
    assert (both, issuer.asked) == ([issuer.secret(2)] * 2, 2)
    [row] = await CredentialTable(bench.store).listed()
    assert (row.refreshes, row.failures, row.lease) == (2, 0, "")
    assert row.refreshed_by in ("one", "two")
    assert row.expires_at == T0 + timedelta(minutes=5)
    assert issuer.secret(2) not in row.value


async def test_keys_are_rotated(bench: Bench, other: Store, issuer: Issuer) -> None:
    await obtain(Credentials(bench.store, cipher=Cipher(OLD_KEY), now=issuer.clock), bench)
    assert await obtain(Credentials(other, cipher=Cipher(f"{KEY}, {OLD_KEY}"), now=issuer.clock), bench)
    assert issuer.asked == 1
    await obtain(Credentials(other, cipher=Cipher(KEY), now=issuer.clock), bench)
    assert issuer.asked == 2


async def test_without_a_key_nothing_secret_is_shared(bench: Bench, other: Store, issuer: Issuer) -> None:
    one, two = (Credentials(each, now=issuer.clock) for each in (bench.store, other))
    assert await obtain(one, bench) != await obtain(two, bench)
    [row] = await CredentialTable(bench.store).listed()
    assert (row.value, row.refreshes) == ("", 2)


async def test_a_worker_that_died_leaves_the_refresh_to_the_next(bench: Bench, issuer: Issuer) -> None:
    table = CredentialTable(bench.store)
    row = await table.get("shop", "payments")
    until = T0 + timedelta(seconds=15)
    assert await table.take(row, "dead", now=T0, until=until)
    assert not await table.take(row, "late", now=T0 + timedelta(seconds=14), until=until)
    issuer.now = until
    credentials = Credentials(bench.store, cipher=Cipher(KEY), now=issuer.clock)
    assert await obtain(credentials, bench) == issuer.secret(1)
    await table.refreshed("shop", "payments", lease="dead", value="old", at=T0, expires_at=None, by="dead")
    assert (await table.get("shop", "payments")).refreshes == 1


@pytest.mark.parametrize(
    ("fault", "type"),
    [
        (ToolError("try later", transient=True), ErrorType.UNAVAILABLE),
        (TimeoutError(), ErrorType.TIMEOUT),
        (ToolError("the secret is wrong", permanent=True, type=ErrorType.AUTHENTICATION), ErrorType.AUTHENTICATION),
        (ToolError("no"), ErrorType.PERMANENT),
        (KeyError("access_token"), ErrorType.PERMANENT),
    ],
)
async def test_a_refresh_that_fails(bench: Bench, issuer: Issuer, fault: Exception, type: ErrorType) -> None:
    credentials = Credentials(bench.store, cipher=Cipher(KEY), worker="one", now=issuer.clock)
    issuer.fault = fault
    with pytest.raises(ToolError, match=r"the credential 'payments' can't be refreshed: .") as caught:
        await obtain(credentials, bench)
    assert caught.value.type is type
    [row] = await CredentialTable(bench.store).listed()
    assert (row.failures, row.refreshes, row.error_type, row.failed_at, row.lease) == (1, 0, type.value, T0, "")
    issuer.fault = None
    await obtain(credentials, bench)
    [row] = await CredentialTable(bench.store).listed()
    assert (row.failures, row.refreshes, row.error_type, row.last_error) == (1, 1, "", "")


async def test_an_unknown_name(bench: Bench) -> None:
    with pytest.raises(ToolError, match=r"no credential 'payment'; did you mean 'payments'\?"):
        await Credentials(bench.store).obtain(bench.agent, "payment", {})


@pytest.mark.parametrize("keys", ["nonsense", "KEY,", "KEY,short"])
def test_a_bad_key(keys: str) -> None:
    keys = keys.replace("KEY", KEY)
    with pytest.raises(InvalidInput, match=r"PLANGATE_CREDENTIALS_KEY: key . of . is not a Fernet key") as caught:
        Cipher(keys)
    assert KEY not in caught.value.message


def calling(bench: Bench, issuer: Issuer, far: Callable[[str, ToolContext], Any], **settings: Any) -> ToolActivities:
    """Activities whose tool `look` (or one of other settings) calls the far side with the credential."""

    async def look(ctx: ToolContext, how: str = "fine") -> dict[str, Any]:
        """Look."""
        if ctx.database is not None and settings.get("idempotency") == "ledger":
            await ctx.database.execute(text("INSERT INTO bookings (what) VALUES ('room')"))
        return await far(await ctx.credential("payments"), ctx)  # type: ignore[no-any-return]

    made = getattr(tool(**{"effect": "read", **settings})(look), TOOL_ATTRIBUTE)
    bench.agent = dataclasses.replace(bench.agent, tools={**bench.agent.tools, "look": made})
    credentials = Credentials(bench.store, cipher=Cipher(KEY), now=issuer.clock)
    bench.activities = ToolActivities(
        Catalogue(agents={"shop": bench.agent}), bench.store, environ={}, credentials=credentials
    )
    return bench.activities


def refused() -> ToolError:
    return ToolError("who are you?", permanent=True, type=ErrorType.AUTHENTICATION)


@pytest.mark.parametrize(
    "settings",
    [{}, {"effect": "write"}, *({"effect": "consequential", "idempotency": mode} for mode in ("key", "ledger"))],
)
async def test_a_refused_credential_is_refreshed_once(bench: Bench, issuer: Issuer, settings: dict[str, str]) -> None:
    seen: list[str] = []

    async def far(token: str, ctx: ToolContext) -> dict[str, Any]:
        seen.append(token)
        if token == issuer.secret(1):
            raise refused()
        return {"ok": True}

    calling(bench, issuer, far, **settings)
    result = await bench.make(bench.call("look"))
    assert result.error is None
    assert seen == [issuer.secret(1), issuer.secret(2)]
    assert await bench.bookings() == (1 if settings.get("idempotency") == "ledger" else 0)


async def test_refused_again_is_the_end(bench: Bench, issuer: Issuer) -> None:
    seen: list[str] = []

    async def far(token: str, ctx: ToolContext) -> dict[str, Any]:
        seen.append(token)
        raise refused()

    calling(bench, issuer, far, effect="consequential", idempotency="key")
    assert "who are you?" in await bench.refused(bench.call("look"), ErrorType.AUTHENTICATION)
    assert (len(seen), issuer.asked) == (2, 2)
    assert await bench.ledger() == [("k", "failed")]


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the log says, by the worker's renderer."""
    out = io.StringIO()
    before = structlog.get_config()
    renderer = structlog.processors.JSONRenderer(default=str)
    structlog.configure(
        processors=[structlog.processors.format_exc_info, renderer, mask_line],
        logger_factory=structlog.PrintLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    yield out
    structlog.configure(**before)


async def test_the_value_is_nowhere(bench: Bench, issuer: Issuer, lines: io.StringIO) -> None:
    async def far(token: str, ctx: ToolContext) -> dict[str, Any]:
        if token == issuer.secret(1):
            return {"echo": f"Bearer {token}", "deep": [{token: "x"}], "fine": 1}
        if token == issuer.secret(2):
            raise ToolError(f"{token} is blocked")
        raise RuntimeError(f"defect with {token}")

    calling(bench, issuer, far)
    said = [repr(await bench.make(bench.call("look", key="k1")))]
    assert "Bearer [redacted]" in said[0]
    issuer.now += timedelta(minutes=5)
    said.append(repr(await bench.make(bench.call("look", key="k2"))))
    issuer.now += timedelta(minutes=5)
    error, payload = await bench.fails(bench.call("look", key="k3"))
    said += [repr(error), repr(payload)]
    structlog.get_logger("x").info("careless", value=issuer.secret(3))
    for table in tables.metadata.sorted_tables:
        said += [repr(row) for row in await bench.rows(f'SELECT * FROM "{table.name}"')]
    said.append(lines.getvalue())
    assert "careless" in said[-1]
    assert "defect with [redacted]" in said[-1]
    assert [each for each in said if "s3cret" in each] == []


def test_masking_knows_how_a_secret_is_written() -> None:
    known = KnownSecrets()
    known.add('pa"ss/wörd')
    known.add("12345678")
    known.add("short")
    assert known.mask_json('{"a": "pa\\"ss/wörd", "b": 12345678}') == '{"a":"[redacted]","b":"[redacted]"}'
    assert known.mask("https://x/?t=pa%22ss%2Fw%C3%B6rd short") == "https://x/?t=[redacted] short"
    for number in range(300):
        known.add(f"number-{number:04}")
    assert known.mask("number-0000 number-0299") == "number-0000 [redacted]"
    assert KNOWN.mask("nothing") == "nothing"


SOURCE = """
from plangate import Credential, credential


@credential("payments")
async def first() -> Credential:
    raise NotImplementedError

"""


def test_credentials_of_a_folder(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    tools = folder / "tools.py"
    written = tools.read_text()
    tools.write_text(written + SOURCE)
    assert list(load_agent(folder).credentials) == ["payments"]
    twice = written + SOURCE + SOURCE.replace("first", "second")
    tools.write_text(twice)
    with pytest.raises(BrokenAgent) as caught:
        load_agent(folder)
    [problem] = caught.value.problems
    line = twice[: twice.index("async def second")].count("\n")  # that of its decorator
    assert str(problem).startswith(f"tools.py:{line}: a second source of the credential 'payments'")
    tools.write_text(written + SOURCE.replace("async def", "def"))
    with pytest.raises(BrokenAgent) as caught:
        load_agent(folder)
    assert "has to be async" in str(caught.value.problems[0])


async def test_a_lease_of_a_clock_that_is_wrong_is_not_waited_for(bench: Bench, issuer: Issuer) -> None:
    """Its worker was an hour fast and died, or the machine's clock was set back."""
    table = CredentialTable(bench.store)
    then = T0 + timedelta(hours=1)
    assert await table.take(await table.get("shop", "payments"), "dead", now=then, until=then + timedelta(seconds=15))
    credentials = Credentials(bench.store, cipher=Cipher(KEY), now=issuer.clock)
    assert await asyncio.wait_for(obtain(credentials, bench), 3) == issuer.secret(1)
