"""`plangate agents new`: copies the template folder, itself a working agent, under another name.

May import: plangate, activities.
"""

from __future__ import annotations

from pathlib import Path

from activities.catalogue.loading import AGENT_NAME, RESERVED_AGENTS, LoadedAgent, load_agent
from plangate.errors import InvalidInput

TEMPLATE = Path(__file__).parent / "template"
TEMPLATE_NAME = "new_agent"
TEMPLATE_TITLE = "New agent"


def make_agent(name: str, agents: Path) -> tuple[LoadedAgent, list[str]]:
    """Make a working agent folder.

    Args:
        name: The agent's name.
        agents: The folder of agents to put it into; made when it doesn't exist.

    Returns:
        The agent, loaded, and the paths of its files, relative to its folder.

    Raises:
        InvalidInput: When the name isn't allowed, the folder exists, or it can't be written.
    """
    if not AGENT_NAME.fullmatch(name):
        rule = "a-z, 0-9, '_' and '-', starting with a letter, at most 40 characters"
        raise InvalidInput(f"{name!r} can't be the name of an agent: {rule}")
    if name in RESERVED_AGENTS:
        raise InvalidInput(f"the agent name {name!r} is reserved; reserved are {', '.join(sorted(RESERVED_AGENTS))}")
    folder = agents / name
    try:
        agents.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
        files = [_copy(file, folder, name) for file in _template_files()]
    except FileExistsError as error:
        raise InvalidInput(f"{error.filename} exists already; choose another name, or remove it first") from None
    except OSError as error:
        raise InvalidInput(f"{folder} can't be written: {error.strerror or error}") from None
    return load_agent(folder), files


def _template_files() -> list[Path]:
    files = (path for path in TEMPLATE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return sorted(path.relative_to(TEMPLATE) for path in files)


def _copy(file: Path, folder: Path, name: str) -> str:
    identifier = name.replace("-", "_")
    target = folder / str(file).replace(TEMPLATE_NAME, identifier)
    target.parent.mkdir(parents=True, exist_ok=True)
    text = (TEMPLATE / file).read_text(encoding="utf-8")
    title = name.replace("-", " ").replace("_", " ").capitalize()
    text = text.replace(TEMPLATE_TITLE, title).replace(TEMPLATE_NAME.upper(), identifier.upper())
    # A path or command names the folder; anything else, such as a table, needs an identifier.
    text = text.replace(f"agents/{TEMPLATE_NAME}", f"agents/{name}").replace(
        f"validate {TEMPLATE_NAME}", f"validate {name}"
    )
    target.write_text(text.replace(TEMPLATE_NAME, identifier), encoding="utf-8")
    return target.relative_to(folder).as_posix()
