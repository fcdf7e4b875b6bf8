"""What the scope file declines is declined without a model; everything else goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from activities.catalogue import LoadedAgent, load_agent
from activities.guardrails.contracts import Asked
from activities.guardrails.refusing import refusal
from activities.guardrails.scoping import in_scope
from plangate.policy import Verdict
from plangate.runs import RunRequest
from tests.guardrails.corpora.off_topic import mentioned, off_topic

AGENTS = Path(__file__).parents[2] / "agents"


@pytest.fixture(scope="module")
def support() -> LoadedAgent:
    return load_agent(AGENTS / "support")


def said(agent: LoadedAgent, text: str, **request: object) -> Verdict | None:
    return in_scope(Asked(agent, text, RunRequest.model_validate({"request": text, **request})))


def edited(folder: Path, *changes: tuple[str, str]) -> LoadedAgent:
    """The example agent with lines of its scope file changed, and nothing else."""
    copy = shutil.copytree(AGENTS / "support", folder / "support")
    scope = copy / "scope.md"
    text = scope.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    scope.write_text(text)
    return load_agent(copy)


def test_it_is_declined_in_the_owners_words_with_what_the_agent_can_do(support: LoadedAgent) -> None:
    verdict = said(support, "Hi! Could you write me a short poem about autumn?")
    assert verdict is not None
    assert (verdict.rule, verdict.detail.split(":")[0]) == ("scope.declined", "Writing and homework")
    told = refusal(support, verdict)
    assert told.startswith("What a nice thought, but writing is nothing that I do")
    assert "- Refunds of what was paid for an order with us" in told


@pytest.mark.parametrize(
    "text",
    [
        "Write me a poem about my order.",
        "The weather was awful and the parcel was delivered wet.",
        "Please write. The poem can wait.",
        "Write one two three four five poem",
        "Tell me a joke. " + "It is a long story. " * 80,
        "¿Qué tiempo hace mañana?",
        "",
    ],
)
def test_what_is_unclear_goes_on_to_the_planner(support: LoadedAgent, text: str) -> None:
    assert said(support, text) is None


def test_a_callers_plan_or_structured_input_is_left_alone(support: LoadedAgent) -> None:
    assert said(support, "Tell me a joke.") is not None
    assert said(support, "Tell me a joke.", plan={"steps": []}) is None
    assert said(support, "Tell me a joke.", input={"order": "1042"}) is None


def test_a_line_of_the_scope_file_changes_what_happens(support: LoadedAgent, tmp_path: Path) -> None:
    row = next(line for line in support.scope.text.splitlines() if line.startswith("| Chat and the world"))
    without = edited(tmp_path / "without", (row + "\n", ""))
    assert said(without, "Tell me a joke.") is None
    new = "| Cats | kitten*, cat names | We only know about teapots. |"
    with_cats = edited(tmp_path / "with", (row, f"{row}\n{new}"))
    for agent, declined in ((support, False), (with_cats, True)):
        assert (said(agent, "What shall I feed my kittens?") is not None) is declined
    accepts = edited(tmp_path / "accepts", ("- Cancelling", "- Small talk about jokes.\n- Cancelling"))
    assert said(accepts, "Tell me a joke, and what's the weather?") is not None, "the joke is within the phrase"
    assert said(accepts, "I love jokes. What's the weather?") is None
    assert said(support, "I love jokes. What's the weather?") is not None


def test_most_of_what_is_off_topic_is_declined_and_nothing_that_only_mentions_it(support: LoadedAgent) -> None:
    samples = off_topic(33)
    caught = [said(support, sample.text) is not None for sample in samples if not sample.held_out]
    assert sum(caught) / len(caught) > 0.95
    wrong = [sample.text for sample in mentioned(33) if said(support, sample.text) is not None]
    assert len(wrong) <= 0.02 * len(mentioned(33)), wrong
