"""The shop's policies, passage by passage, and the search in them.

Each `knowledge/*.md` file is cut at its second-level headings. On SQLite the passages are an FTS5 table ranked by BM25,
on PostgreSQL a table ranked by `ts_rank`; both stem English words.
"""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from .records import Passage, PolicyPassages

FOLDER = Path(__file__).parent / "knowledge"
MAX_WORDS = 24
_STOP_WORDS = """
    a about an and any are as at be been but by can could did do does for from get give got had has have he her his
    how i if in is it its me my no not of on or our please she should so some than that the their them then there
    they this to us was we were what when where which who why will with would you your
"""

_CREATE = {
    "sqlite": "CREATE VIRTUAL TABLE IF NOT EXISTS shop_policies"
    " USING fts5(source UNINDEXED, title, passage, tokenize = 'porter unicode61')",
    "postgresql": "CREATE TABLE IF NOT EXISTS shop_policies"
    " (source text NOT NULL, title text NOT NULL, passage text NOT NULL, PRIMARY KEY (source, title))",
}
_SEARCH = {
    "sqlite": "SELECT source, title, passage FROM shop_policies WHERE shop_policies MATCH :words"
    " ORDER BY bm25(shop_policies, 0, 3, 1), source, title LIMIT :limit",
    "postgresql": "SELECT source, title, passage FROM shop_policies,"
    " LATERAL (SELECT setweight(to_tsvector('english', title), 'A')"
    " || setweight(to_tsvector('english', passage), 'C') AS document) AS indexed,"
    " to_tsquery('english', :words) AS query WHERE document @@ query"
    " ORDER BY ts_rank(document, query) DESC, source, title LIMIT :limit",
}


def passages(folder: Path = FOLDER) -> list[Passage]:
    """Cut the policies into passages, in the order of the files."""
    found = []
    for path in sorted(folder.glob("*.md")):
        head, *sections = re.split(r"^## +", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        document = head.strip().removeprefix("# ").splitlines()[0]
        for section in sections:
            title, _, body = section.partition("\n")
            found.append(
                Passage(source=path.name, title=f"{document}: {title.strip()}", passage=" ".join(body.split()))
            )
    return found


async def index(database: AsyncConnection, folder: Path = FOLDER) -> None:
    """Create the index, and write it anew unless it holds just what the files say."""
    await database.execute(text(_CREATE[database.dialect.name]))
    expected = passages(folder)
    rows = await database.execute(text("SELECT source, title, passage FROM shop_policies"))
    if sorted(map(tuple, rows)) == sorted((one.source, one.title, one.passage) for one in expected):
        return
    await database.execute(text("DELETE FROM shop_policies"))
    insert = text("INSERT INTO shop_policies (source, title, passage) VALUES (:source, :title, :passage)")
    await database.execute(insert, [one.model_dump() for one in expected])


async def search(database: AsyncConnection, query: str, limit: int) -> PolicyPassages:
    """The passages that match any word of the query, the best first; none when it has no word worth looking for."""
    words = search_words(query)
    if not words:
        return PolicyPassages(query=query, passages=[])
    quote, join = ('"', " OR ") if database.dialect.name == "sqlite" else ("'", " | ")
    expression = join.join(f"{quote}{word}{quote}" for word in words)
    rows = await database.execute(_search(database), {"words": expression, "limit": limit})
    return PolicyPassages(query=query, passages=[Passage(**row) for row in rows.mappings()])


def search_words(query: str) -> list[str]:
    """The words of a question that are worth looking for; letters and digits only, so nothing else can be said."""
    stop_words = set(_STOP_WORDS.split())
    words = dict.fromkeys(re.findall(r"[^\W_]+", query.lower()))
    return [word for word in words if word not in stop_words][:MAX_WORDS]


def _search(database: AsyncConnection) -> TextClause:
    return text(_SEARCH[database.dialect.name])
