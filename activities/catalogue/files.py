"""Reads the files of an agent folder: bounded, UTF-8, and hashed to the agent's version."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from plangate.problems import Problems

REQUIRED = ("scope.md", "agent.yaml", "tools.py")
OPTIONAL = ("offline.yaml", "prompts/planner.md", "prompts/responder.md")
MAX_BYTES = {"scope.md": 100_000, "agent.yaml": 64_000, "prompts": 64_000, "tools.py": 1_000_000}
"""Bytes of a file at most: the planner's prompt has to hold the scope and the prompts."""
MAX_OTHER_BYTES = 2_000_000
NOT_HASHED = frozenset({"offline.yaml", "services.py", "setup.py"})
"""What doesn't change what an agent does (unless its tools import it)."""
VERSION_DIGITS = 16


def read_folder(folder: Path, problems: Problems) -> dict[str, str]:
    """The texts of an agent folder by path relative to it, with `/`; notes what can't be read.

    Read are the files that have a meaning, every Python file, and `knowledge/*.md`.
    """
    texts: dict[str, str] = {}
    for name in REQUIRED:
        if not (folder / name).exists():
            problems.add(name, None, f"the file is missing; an agent folder has {', '.join(REQUIRED)}")
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        text = _read_text(path, name, problems)
        if text is not None:
            texts[name] = text
    return texts


def version(texts: Mapping[str, str]) -> str:
    """The agent's version: 16 hexadecimal digits of the SHA-256 over all that decides what it does."""
    digest = hashlib.sha256()
    for name in sorted(texts):
        if name not in NOT_HASHED or _is_imported(name.removesuffix(".py"), texts):
            content = texts[name].encode()
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:VERSION_DIGITS]


def _is_imported(module: str, texts: Mapping[str, str]) -> bool:
    """Whether a file of the folder other than the companions imports this module."""
    pattern = re.compile(rf"^\s*from\s+\.+(?:\s*import\s.*)?\b{re.escape(module)}\b", re.MULTILINE)
    return any(pattern.search(text) for name, text in texts.items() if name.endswith(".py") and name not in NOT_HASHED)


def _files(folder: Path) -> Iterator[Path]:
    for name in (*REQUIRED, *OPTIONAL):
        if name != "tools.py" and (folder / name).exists():
            yield folder / name
    yield from sorted((folder / "knowledge").glob("*.md"))
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        if parts[0] not in ("tests", "evals") and not any(part.startswith((".", "__pycache__")) for part in parts):
            yield path


def _read_text(path: Path, name: str, problems: Problems) -> str | None:
    limit = MAX_BYTES.get(name, MAX_BYTES.get(name.partition("/")[0], MAX_OTHER_BYTES))
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        problems.add(name, None, f"can't be read: {error.strerror or error}")
        return None
    if len(content) > limit:
        problems.add(name, None, f"the file is too large: at most {limit:,} bytes")
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problems.add(name, line, f"not UTF-8: the byte 0x{content[error.start]:02x}; save the file as UTF-8")
        return None
    if "\0" in text:
        problems.add(name, text.count("\n", 0, text.index("\0")) + 1, "a NUL character; this isn't a text file")
        return None
    return text.replace("\r\n", "\n")
