"""A right agent folder: what is loaded, its version, its packages, its verdicts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from activities.catalogue import load_agent
from plangate import PlangateError
from plangate.errors import ErrorType
from plangate.policy import Action
from tests.activities.catalogue_folders import SCOPE, SHOP, TOOLS, make_folder

SETUP = "async def setup(connection, settings):\n    pass\n"


def test_a_folder_is_loaded(tmp_path: Path) -> None:
    agent = load_agent(make_folder(tmp_path))
    assert agent.name == "shop"
    assert len(agent.version) == 16
    assert int(agent.version, 16) >= 0
    assert agent.settings.title == "Shop"
    assert agent.scope.title == "Shop"
    assert sorted(agent.tools) == ["find_order", "refund"]
    assert agent.planner_prompt == "Be brief."
    assert agent.responder_prompt == ""
    assert [path.name for path in agent.knowledge] == ["returns.md"]
    assert agent.tools["find_order"].function("A1").id == "A1"
    assert agent.tools["find_order"].function.__module__ == f"plangate_agents.shop.{agent.version}.tools"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("scope.md", SCOPE.replace("under 25", "under 26")),
        ("agent.yaml", "title: Another\n"),
        ("tools.py", TOOLS + "\n# a comment\n"),
        ("shop.py", SHOP + "\nX = 1\n"),
        ("prompts/planner.md", "Be long.\n"),
        ("prompts/responder.md", "Be kind.\n"),
        ("knowledge/returns.md", "# Returns\n\nSixty days.\n"),
        ("knowledge/more.md", "# More\n"),
        ("deep/er.py", "X = 1\n"),
    ],
)
def test_the_version_changes_with_what_the_agent_does(tmp_path: Path, file: str, content: str) -> None:
    before = load_agent(make_folder(tmp_path / "before")).version
    assert load_agent(make_folder(tmp_path / "after", files={file: content})).version != before


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("tests/test_tools.py", "import nothing_like_this\n"),
        ("evals/cases.yaml", "[]"),
        ("services.py", "X = 1\n"),
        ("setup.py", SETUP),
        ("offline.yaml", "intents: {a: 1}\n"),
        ("notes.txt", "…"),
    ],
)
def test_the_version_stays_with_what_changes_nothing(tmp_path: Path, file: str, content: str) -> None:
    before = load_agent(make_folder(tmp_path / "before")).version
    assert load_agent(make_folder(tmp_path / "after", files={file: content})).version == before


@pytest.mark.parametrize(
    "line", ["from .services import X", "from . import services", "from .services import (\n    X,\n)"]
)
def test_a_companion_that_the_tools_import_is_part_of_the_version(tmp_path: Path, line: str) -> None:
    tools = TOOLS.replace("from .shop import Order", f"from .shop import Order\n{line}")
    versions = {
        load_agent(make_folder(tmp_path / text, files={"tools.py": tools, "services.py": f"X = {text!r}\n"})).version
        for text in ("one", "two")
    }
    assert len(versions) == 2


def test_equally_named_modules_of_two_agents_do_not_collide(tmp_path: Path) -> None:
    one = load_agent(make_folder(tmp_path, "one", {"shop.py": SHOP + "    shop: str = 'one'\n"}))
    two = load_agent(make_folder(tmp_path, "two", {"shop.py": SHOP + "    shop: str = 'two'\n"}))
    assert one.tools["find_order"].function("1").shop == "one"
    assert two.tools["find_order"].function("1").shop == "two"
    assert not {"shop", "tools"} & set(sys.modules)


def test_two_versions_of_an_agent_are_in_use_at_once(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, files={"shop.py": SHOP + "    state: str = 'a'\n"})
    old = load_agent(folder)
    # The same size within the same second: cached bytecode would not notice.
    (folder / "shop.py").write_text(SHOP + "    state: str = 'b'\n")
    new = load_agent(folder)
    assert old.version != new.version
    assert old.tools["find_order"].function("1").state == "a"
    assert new.tools["find_order"].function("1").state == "b"
    assert not (folder / "__pycache__").exists()


def test_the_same_content_in_another_folder_finds_its_own_files(tmp_path: Path) -> None:
    tools = TOOLS + "\nHERE = __file__\n"
    agents = [load_agent(make_folder(tmp_path / place, files={"tools.py": tools})) for place in ("a", "b")]
    assert agents[0].version == agents[1].version
    assert [agent.tools["find_order"].function.__globals__["HERE"] for agent in agents] == [
        str(tmp_path / "a/shop/tools.py"),
        str(tmp_path / "b/shop/tools.py"),
    ]


def test_modules_beside_the_tools_share_their_classes(tmp_path: Path) -> None:
    agent = load_agent(make_folder(tmp_path, files={"setup.py": f"from .shop import Order\n\n{SETUP}"}))
    setup = agent.module("setup")
    assert setup is not None
    assert setup.Order is agent.tools["find_order"].function.__globals__["Order"]
    assert agent.module("services") is None


def test_a_subfolder_is_a_package(tmp_path: Path) -> None:
    files = {"tools.py": TOOLS.replace(".shop import", ".back.shop import"), "back/shop.py": SHOP, "shop.py": None}
    assert load_agent(make_folder(tmp_path, files=files)).tools["find_order"].function("7").id == "7"


def test_policies_carry_the_rule_in_short(tmp_path: Path) -> None:
    agent = load_agent(make_folder(tmp_path))
    assert agent.policy("find_order").rule == "allow"
    assert agent.policy("refund").rule == "when"
    assert agent.policy("refund").version == agent.tools["refund"].version
    with pytest.raises(PlangateError, match="did you mean 'refund'") as caught:
        agent.policy("refnd")
    assert caught.value.type is ErrorType.UNKNOWN_TOOL


@pytest.mark.parametrize(
    ("tool", "args", "action"),
    [
        ("find_order", {"order_id": "1"}, Action.ALLOW),
        ("refund", {"amount": 24.99}, Action.ALLOW),
        ("refund", {"amount": 25}, Action.ASK),
        ("refund", {"amount": None}, Action.ASK),
        ("refund", {}, Action.ASK),
        ("delete_everything", {}, Action.BLOCK),
    ],
)
def test_verdicts_are_fail_closed(tmp_path: Path, tool: str, args: dict[str, object], action: Action) -> None:
    assert load_agent(make_folder(tmp_path)).verdict(tool, args).action is action


def test_settings_are_overridden_by_the_environment(tmp_path: Path) -> None:
    agent = load_agent(make_folder(tmp_path, "web-shop", {"agent.yaml": "settings: {payments-url: a, other: b}\n"}))
    environ = {"PLANGATE_WEB_SHOP_PAYMENTS_URL": "c", "PLANGATE_SHOP_OTHER": "d", "PLANGATE_WEB_SHOP_NEW": "e"}
    assert agent.tool_settings(environ) == {"payments-url": "c", "other": "b"}


def test_the_summary_names_tools_with_their_rules(tmp_path: Path) -> None:
    summary = load_agent(make_folder(tmp_path)).summary()
    assert [(tool["name"], tool["effect"], tool["rule"]) for tool in summary.tools] == [
        ("find_order", "read", "by itself"),
        ("refund", "consequential", "by itself when amount is under 25, otherwise asks first"),
    ]


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    scope = b"\xef\xbb\xbf" + SCOPE.replace("\n", "\r\n").encode()
    assert load_agent(make_folder(tmp_path, files={"scope.md": scope})).scope.title == "Shop"
