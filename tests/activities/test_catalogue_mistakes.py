"""Every kind of mistake of an agent folder, with its file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.catalogue import BrokenAgent, load_agent
from plangate.errors import ErrorType
from tests.activities.catalogue_folders import FILES, SCOPE, SHOP, TOOLS, make_folder, problems_of

TOOL = """\
from decimal import Decimal
from enum import Enum
from typing import Literal
from pydantic import BaseModel
from plangate import tool
import plangate
import enum


class Place(BaseModel):
    country: str
    lines: list[str]


class Kind(Enum):
    GOOD = "good"
    BAD = "bad"


"""


def tools(text: str) -> str:
    """tools.py: the right tools, and more."""
    return TOOLS + "\n\n" + TOOL + text


def rules(*lines: str) -> str:
    return SCOPE + "".join(f"| {line} |\n" for line in lines)


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


YAML = [
    ("titel: x\n", 1, "unknown key 'titel'; did you mean 'title'?"),
    ("title: x\nmodels:\n  plann: y\n", 3, "unknown key 'models.plann'; did you mean 'plan'?"),
    ("settings:\n  port: 80\n", 2, "settings.port: should be text; put a number"),
    ("settings:\n  Port: a\n", 2, "invalid name of a setting 'Port'"),
    ("title: x\ntemperature: 3\n", 2, "temperature: input should be less than or equal to 2"),
    ("examples:\n  - a\n  - 1\n", 3, "examples.1: should be text"),
    ("title: x\ntitle: y\n", 2, "the key 'title' stands twice; first in line 1"),
    ("title: x\nmodels: [\n", 3, "not YAML: "),
    ("title: !!python/object:os.system x\n", 1, "not YAML: could not determine a constructor"),
    ("- a\n", 1, "should be names with values"),
    ("title: a\n---\ntitle: b\n", 2, "not YAML: but found another document"),
    ("title: " + "[" * 5000, None, "nested too deeply"),
]


@pytest.mark.parametrize(("text", "line", "problem"), YAML)
def test_yaml(tmp_path: Path, text: str, line: int | None, problem: str) -> None:
    (found,) = problems_of(make_folder(tmp_path, files={"agent.yaml": text}))
    assert (found.file, found.line) == ("agent.yaml", line)
    assert problem in found.problem


def test_an_empty_agent_yaml_has_all_defaults(tmp_path: Path) -> None:
    assert load_agent(make_folder(tmp_path, files={"agent.yaml": "# nothing yet\n"})).settings.title == ""


def test_offline_rules_have_to_be_yaml(tmp_path: Path) -> None:
    (found,) = problems_of(make_folder(tmp_path, files={"offline.yaml": "intents:\n  a: 'b\n"}))
    assert (found.file, found.line) == ("offline.yaml", 3)


CODE = [
    ("@tool(effect='read')\ndef find_order(:\n", "def find_order(:", "not Python: invalid syntax"),
    ("import not_there_at_all\n", "import not", "can't be imported: ModuleNotFoundError: No module named 'not_there"),
    ("import shop\n", "import shop", "for a file of this folder write `from .shop import …`"),
    ("x = 1 / 0\n", "x = 1", "can't be imported: ZeroDivisionError: division by zero"),
    ("raise SystemExit(3)\n", "raise", "can't be imported: SystemExit: 3"),
    (
        "from .shop import Customer\n",
        "from .shop import C",
        "can't be imported: ImportError: cannot import name 'Customer'",
    ),
]


@pytest.mark.parametrize(("text", "part", "problem"), CODE)
def test_code_that_does_not_import(tmp_path: Path, text: str, part: str, problem: str) -> None:
    (found,) = problems_of(make_folder(tmp_path, files={"tools.py": tools(text)}))
    assert (found.file, found.line) == ("tools.py", line_of(tools(text), part))
    assert problem in found.problem
    assert "Traceback" not in found.problem


def test_a_mistake_in_another_file_is_placed_there(tmp_path: Path) -> None:
    (found,) = problems_of(make_folder(tmp_path, files={"shop.py": SHOP + "\n1 / 0\n"}))
    assert str(found) == "shop.py:8: can't be imported: ZeroDivisionError: division by zero"


DECORATED = [
    ("@tool(effect='reed')\ndef a() -> int:\n    '''A.'''\n", "def a", "tool 'a': effect: Input should be 'read'"),
    ("@tool(effect='read')\ndef a(x) -> int:\n    '''A.'''\n", "def a", "the parameter 'x' needs a type"),
    ("@tool(effect='read')\ndef a() -> int:\n    return 1\n", "def a", "tool 'a' needs a docstring"),
    ("@tool(effect='read')\ndef a():\n    '''A.'''\n", "def a", "tool 'a' needs a return type"),
    (
        "@tool(\n    effect='read',\n    timeout=-1,\n)\ndef a() -> int:\n    '''A.'''\n",
        "def a",
        "timeout: Input should",
    ),
    (
        "@tool(effect='read', tiemout=1)\ndef a() -> int:\n    '''A.'''\n",
        "def a",
        "unexpected keyword argument 'tiemout'",
    ),
    (
        "@plangate.tool(effect='consequential')\ndef a() -> int:\n    '''A.'''\n",
        "def a",
        "has to choose its `idempotency`",
    ),
    (
        "@tool(effect='read', summary='{x}')\ndef a(y: int) -> int:\n    '''A.'''\n",
        "def a",
        "names {x}, which is no arg",
    ),
    ("@tool(effect='read', summary='{')\ndef a() -> int:\n    '''A.'''\n", "def a", "isn't a format string"),
    (
        "@tool(effect='read', summary='{}')\ndef a(y: int) -> int:\n    '''A.'''\n",
        "def a",
        "names {}, which is no argument",
    ),
]


@pytest.mark.parametrize(("text", "part", "problem"), DECORATED)
def test_a_wrong_tool_is_named_by_its_line(tmp_path: Path, text: str, part: str, problem: str) -> None:
    files = {"tools.py": tools(text), "scope.md": rules("a | A | by itself")}
    (found,) = problems_of(make_folder(tmp_path, files=files))
    assert (found.file, found.line) == ("tools.py", line_of(tools(text), part))
    assert problem in found.problem


@pytest.mark.parametrize("name", ["respond", "item", "Find", "größe", "_hidden"])
def test_reserved_and_invalid_tool_names(tmp_path: Path, name: str) -> None:
    text = tools(f"@tool(effect='read')\ndef {name}() -> int:\n    '''A.'''\n")
    (found,) = problems_of(
        make_folder(tmp_path, files={"tools.py": text, "scope.md": rules(f"`{name}` | A | by itself")})
    )
    assert (found.file, found.line) == ("tools.py", line_of(text, f"def {name}"))
    assert repr(name) in found.problem
    assert "reserved" in found.problem or "invalid tool name" in found.problem


def test_a_tool_that_is_defined_twice(tmp_path: Path) -> None:
    text = TOOLS + TOOLS[TOOLS.index("@tool") : TOOLS.index('@tool(effect="cons')]
    (found,) = problems_of(make_folder(tmp_path, files={"tools.py": text}))
    assert (found.file, found.line) == ("tools.py", text[: text.rindex("def find_order")].count("\n") + 1)
    assert "'find_order' is defined twice; first in line 9" in found.problem


READ_BACKS = {
    "async def back(x: int) -> None: ...": "got an unexpected keyword argument 'y'",
    "async def back(x: int, y: int, z: int) -> None: ...": "missing a required argument: 'z'",
}


@pytest.mark.parametrize(("back", "problem"), READ_BACKS.items())
def test_a_read_back_that_cannot_be_called(tmp_path: Path, back: str, problem: str) -> None:
    decorator = "@tool(effect='consequential', idempotency='check', read_back=back)"
    text = tools(f"{back}\n\n\n{decorator}\ndef a(x: int, y: int) -> int:\n    '''A.'''\n")
    files = {"tools.py": text, "scope.md": rules("a | A | asks first")}
    (found,) = problems_of(make_folder(tmp_path, files=files))
    assert (found.file, found.line) == ("tools.py", line_of(text, "def a("))
    assert found.problem.startswith("the read-back of 'a' has to take the tool's parameters x, y: ")
    assert problem in found.problem


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("x = 1\n", None, "needs a function `async def setup(connection, settings)`"),
        (
            "def setup(connection, settings):\n    pass\n",
            None,
            "needs a function `async def setup(connection, settings)`",
        ),
        ("\nasync def setup(connection):\n    pass\n", 2, "`setup` is called with connection and settings: too many"),
        ("import os\n1 / 0\n", 2, "can't be imported: ZeroDivisionError: division by zero"),
        ("def (\n", 1, "not Python: invalid syntax"),
    ],
)
def test_a_setup_that_the_worker_cannot_run(tmp_path: Path, text: str, line: int | None, problem: str) -> None:
    (found,) = problems_of(make_folder(tmp_path, files={"setup.py": text}))
    assert (found.file, found.line) == ("setup.py", line)
    assert problem in found.problem


def test_a_consequential_tool_may_choose_natural(tmp_path: Path) -> None:
    files = {"tools.py": TOOLS.replace('idempotency="key"', 'idempotency="natural"')}
    assert load_agent(make_folder(tmp_path, files=files)).policy("refund").idempotency == "natural"


def test_a_tool_without_a_rule(tmp_path: Path) -> None:
    scope = "\n".join(line for line in SCOPE.splitlines() if "find_order" not in line)
    (found,) = problems_of(make_folder(tmp_path, files={"scope.md": scope}))
    assert str(found) == (
        "tools.py:9: the tool 'find_order' has no rule in scope.md; add it to the table of tools, "
        "for example `| find_order | … | asks first |`"
    )


def test_a_rule_without_a_tool(tmp_path: Path) -> None:
    (found,) = problems_of(make_folder(tmp_path, files={"scope.md": rules("find_ordr | A | by itself")}))
    assert str(found) == "scope.md:13: there is no tool 'find_ordr' in tools.py; did you mean 'find_order'?"


def test_a_rule_that_cannot_be_read_is_one_mistake(tmp_path: Path) -> None:
    scope = SCOPE.replace("| by itself |", "| sometimes |")
    (found,) = problems_of(make_folder(tmp_path, files={"scope.md": scope}))
    assert (found.file, found.line) == ("scope.md", 11)
    assert "the rule of 'find_order': 'sometimes' is not a rule: a rule is 'by itself'" in found.problem


ARGUMENTS = (
    "count: int, money: Decimal, note: str, sure: bool, place: Place, kind: Kind, mode: Literal['fast', 'slow'], "
    "extra: dict[str, int], maybe: int | None = None, many: list[int] = []"
)
WRONG_CONDITIONS = [
    ("cuont is under 3", "'cuont' is no argument of the tool; did you mean 'count'?"),
    ("place.city is Rome", "'place.city' is no argument of the tool. It has country, lines"),
    ("count.x is 3", "'count.x' is no argument of the tool. It has none"),
    ("note is under 3", "'note' is text, it can't be compared with the number 3"),
    ("sure is 3", "'sure' is yes or no, it can't be compared with the number 3"),
    ("place is 3", "'place' is an object, it can't be compared with the number 3"),
    ("many is over 3", "'many' is a list, it can't be compared with the number 3"),
    ("place.lines is over 3", "'place.lines' is a list, it can't be compared with the number 3"),
    ("count is many", "'count' is a number, it can't be compared with the text 'many'"),
    ("count is yes", "'count' is a number, it can't be compared with yes or no"),
    ("kind is god", "'kind' can't be 'god'; did you mean 'good'? It is one of good, bad"),
    ("mode is medium", "'mode' can't be 'medium'. It is one of fast, slow"),
]


@pytest.mark.parametrize(("condition", "problem"), WRONG_CONDITIONS)
def test_a_condition_that_the_arguments_cannot_meet(tmp_path: Path, condition: str, problem: str) -> None:
    text = tools(f"@tool(effect='read')\ndef a({ARGUMENTS}) -> int:\n    '''A.'''\n")
    scope = rules(f"a | A | by itself when {condition}, otherwise asks first")
    (found,) = problems_of(make_folder(tmp_path, files={"tools.py": text, "scope.md": scope}))
    assert (found.file, found.line) == ("scope.md", 13)
    assert found.problem.startswith(f"the rule of 'a': {problem}")


RIGHT_CONDITIONS = [
    "count is under 3",
    "money is at most £2,000.50",
    "note is urgent",
    "note is not 12",
    "sure is yes",
    "place.country is GB and count is 1",
    "kind is good",
    "mode is not slow",
    "extra.anything is over 3",
    "maybe is over 3",
]


@pytest.mark.parametrize("condition", RIGHT_CONDITIONS)
def test_a_condition_that_the_arguments_can_meet(tmp_path: Path, condition: str) -> None:
    text = tools(f"@tool(effect='read')\ndef a({ARGUMENTS}) -> int:\n    '''A.'''\n")
    scope = rules(f"a | A | by itself when {condition}, otherwise asks first")
    assert load_agent(make_folder(tmp_path, files={"tools.py": text, "scope.md": scope})).policy("a").rule == "when"


@pytest.mark.parametrize("file", ["scope.md", "agent.yaml", "tools.py"])
def test_a_missing_file(tmp_path: Path, file: str) -> None:
    (found,) = problems_of(make_folder(tmp_path, files={file: None}))
    assert (found.file, found.line) == (file, None)
    assert found.problem == "the file is missing; an agent folder has scope.md, agent.yaml, tools.py"


@pytest.mark.parametrize("file", ["prompts/planner.md", "prompts/responder.md"])
def test_an_empty_prompt(tmp_path: Path, file: str) -> None:
    (found,) = problems_of(make_folder(tmp_path, files={file: " \n"}))
    assert str(found) == f"{file}:1: the prompt is empty: write it, or remove the file"


@pytest.mark.parametrize("file", [*FILES, "prompts/responder.md", "knowledge/more.md"])
def test_a_file_that_is_not_utf8(tmp_path: Path, file: str) -> None:
    content = FILES.get(file, "# x\n").encode() + b"# caf\xe9\n"
    found = problems_of(make_folder(tmp_path, files={file: content}))
    line = content.count(b"\n")
    assert [(f.file, f.line, f.problem) for f in found if f.file == file] == [
        (file, line, "not UTF-8: the byte 0xe9; save the file as UTF-8")
    ]


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    (found,) = problems_of(make_folder(tmp_path, files={"scope.md": SCOPE + "x" * 100_000}))
    assert str(found) == "scope.md: the file is too large: at most 100,000 bytes"


def test_a_file_with_nul_characters(tmp_path: Path) -> None:
    (found,) = problems_of(make_folder(tmp_path, files={"agent.yaml": "title: x\n# \0\n"}))
    assert str(found) == "agent.yaml:2: a NUL character; this isn't a text file"


def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, files={"agent.yaml": None})
    (folder / "agent.yaml").mkdir()
    (found,) = problems_of(folder)
    assert str(found) == "agent.yaml: can't be read: Is a directory"


@pytest.mark.parametrize("name", ["Shop", "1shop", "my shop", "s" * 41, "shop.old", "größe"])
def test_a_folder_name_that_is_not_allowed(tmp_path: Path, name: str) -> None:
    (found,) = problems_of(make_folder(tmp_path, name))
    assert str(found).startswith(f"{name}: invalid name of an agent folder {name!r}: a-z, 0-9")


def test_a_reserved_folder_name(tmp_path: Path) -> None:
    (found,) = problems_of(make_folder(tmp_path, "database"))
    assert "the agent name 'database' is reserved" in found.problem


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    (found,) = problems_of(tmp_path / "shop")
    assert str(found) == "shop: there is no such folder"


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    text = tools(
        "@tool(effect='reed')\ndef a() -> int:\n    '''A.'''\n\n@tool(effect='read')\ndef b(x) -> int:\n    '''B.'''\n"
    )
    files = {
        "tools.py": text,
        "scope.md": SCOPE.replace("amount is", "amuont is").replace("## Purpose", "## Porpose"),
        "agent.yaml": "titel: x\n",
        "prompts/planner.md": "",
    }
    with pytest.raises(BrokenAgent) as caught:
        load_agent(make_folder(tmp_path, files=files))
    found = [(problem.file, problem.line) for problem in caught.value.problems]
    a, b = line_of(text, "def a"), line_of(text, "def b")
    assert found == [
        ("agent.yaml", 1),
        ("prompts/planner.md", 1),
        ("scope.md", 3),
        ("scope.md", 12),
        *[("tools.py", a)] * 2,
        *[("tools.py", b)] * 2,
    ]
    assert caught.value.type is ErrorType.BROKEN_AGENT
    assert caught.value.details == [str(problem) for problem in caught.value.problems]
    assert "8 mistakes" in caught.value.message


def test_a_repaired_folder_loads_again(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, files={"tools.py": TOOLS.replace('"read"', '"reed"')})
    assert len(problems_of(folder)) == 1
    (folder / "tools.py").write_text(TOOLS)
    assert load_agent(folder).tools["find_order"].function("1").id == "1"
