"""Tests of the agent's tools: `pytest agents/new_agent`. A tool is a plain function, so it is called like one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import create_async_engine

from activities.catalogue import LoadedAgent, load_agent
from plangate import ToolContext, ToolError
from plangate.policy import Action


@pytest.fixture(scope="module")
def agent() -> LoadedAgent:
    """The agent, loaded as the worker loads it; fails with every mistake of the folder."""
    return load_agent(Path(__file__).parents[1])


def test_notes_are_found_by_topic(agent: LoadedAgent) -> None:
    """A reading tool."""
    found = agent.tools["look_up"].function(topic="opening hours")
    assert [passage.note for passage in found] == ["opening-hours"]
    assert agent.tools["look_up"].function(topic="zebras") == []


def test_a_draft_has_the_points_and_the_signature(agent: LoadedAgent) -> None:
    """A tool that gets the agent's settings."""
    context = ToolContext(settings={"signature": "The desk"})
    draft = agent.tools["draft_message"].function(context, subject="Hours", points=["We open at 9:00."])
    assert draft.body == "We open at 9:00.\n\nThe desk"


def test_a_message_is_put_into_the_outbox_once(agent: LoadedAgent) -> None:
    """A consequential tool in `ledger` mode writes through `ctx.database`."""

    async def send() -> list[str]:
        engine = create_async_engine("sqlite+aiosqlite://")
        setup, tables = agent.module("setup"), agent.module("tables")
        assert setup is not None
        assert tables is not None
        async with engine.begin() as connection:
            await setup.setup(connection, {})
            context = ToolContext(database=connection)
            send_message = agent.tools["send_message"].function
            await send_message(context, to="ada@example.com", subject="Hours", body="We open at 9:00.")
            rows = (await connection.execute(select(tables.outbox))).all()
        await engine.dispose()
        return [row.to for row in rows]

    assert asyncio.run(send()) == ["ada@example.com"]


def test_sending_needs_the_database(agent: LoadedAgent) -> None:
    """A permanent error: trying again can't help."""
    with pytest.raises(ToolError, match="without a connection"):
        asyncio.run(agent.tools["send_message"].function(ToolContext(), to="a@b.example", subject="x", body="y"))


def test_a_person_is_asked_before_a_message_is_sent(agent: LoadedAgent) -> None:
    """What scope.md says."""
    assert agent.verdict("send_message", {"to": "ada@example.com"}).action is Action.ASK
    assert agent.verdict("look_up", {"topic": "hours"}).action is Action.ALLOW
