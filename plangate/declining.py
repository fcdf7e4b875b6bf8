"""What an agent declines without asking a model: the table `What it declines` of a scope file.

    | Asked for | Recognised by | What we say |
    |---|---|---|
    | Advice on law | lawsuit, sue … company, legal advi* | Please ask a lawyer about that. |

A phrase is words in their order, in any case and number (`poem` is also `Poems`); `*` ends the beginning of a word, `…`
stands for up to `GAP` words of the same sentence. A request is declined for a phrase only when nothing else in it is
about what the agent is for: `subject_words` reads these words out of the scope file too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import filterfalse

from pydantic import BaseModel, ConfigDict

from plangate.wording import listed

GAP = 4
"""Words that `…` stands for at most."""
MAX_TOPICS = 50
MAX_PHRASES = 60
"""Of one topic."""
MAX_SAYS = 500
"""Characters of what is said at most."""
ANY = "…"
"""The word of a phrase that stands for others."""
STOP = "."
"""The word at the end of a sentence."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[.!?;\n]")
_ITEM = re.compile(r"^[-*+]\s+(.+?)\s*$", re.MULTILINE)
_PART = re.compile(r"[^\W_]+(?:['’][^\W_]+)*\*?|…|\.{3}")


class DeclinedTopic(BaseModel):
    """One line of the table.

    Attributes:
        topic: What is asked for, in the owner's words.
        phrases: Each a tuple of stems, beginnings of words (`legal advi*`) and `ANY`.
        says: What the person is told; empty for the usual sentence.
        line: Of the scope file.
    """

    model_config = ConfigDict(frozen=True)

    topic: str
    phrases: tuple[tuple[str, ...], ...]
    says: str = ""
    line: int = 0


def words_of(text: str, most: int | None = None) -> list[str]:
    """The stems of a text's words in their order, with `STOP` where sentences and lines end; `most` of them."""
    plain = fold(text).replace("e-mail", "email").replace("’", "'")
    return [STOP if word in ".!?;\n" else stem(word) for word in _WORD.findall(plain)[:most]]


def list_items(prose: str) -> list[str]:
    """The items of the lists in a section, each on one line."""
    return _ITEM.findall(re.sub(r"\n[ \t]+(?=\S)(?![-*+]\s)", " ", prose))


def subject_words(sections: Mapping[str, str], tools: Iterable[str]) -> frozenset[str]:
    """The stems of what an agent is about.

    Read from its purpose, the list of what it accepts (what stands below the list may be what it declines), and the
    names of its tools.

    Args:
        sections: The scope's prose by heading in lower case.
        tools: Names.
    """
    accepts = sections.get("what it accepts", "")
    text = "\n".join(
        [sections.get("purpose", ""), *(list_items(accepts) or [accepts]), *(name.replace("_", " ") for name in tools)]
    )
    return frozenset(word for word in words_of(text) if len(word) > 2 and word not in _COMMON)


def fold(text: str) -> str:
    """In lower case and without accents."""
    if text.isascii():
        return text.lower()
    # Accents that stand alone go first: a long row of them would take long to put into order.
    bare = "".join(filterfalse(unicodedata.combining, text.lower()))
    if unicodedata.is_normalized("NFD", bare):
        return bare
    return "".join(filterfalse(unicodedata.combining, unicodedata.normalize("NFD", bare)))


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A word without its usual English endings: the same for `order`, `orders`, `ordered` and `ordering`."""
    word = word.removesuffix("'s").removesuffix("'").replace("'", "")
    if word.endswith("ies") and len(word) > 5:
        return word[:-3]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        word = word[:-2] if word.endswith(("sses", "xes", "zes", "ches", "shes")) else word[:-1]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            word = word.removesuffix(ending)
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeious":
        return word[:-1]
    return word[:-1] if word[-1:] in ("e", "y") and len(word) > 4 else word


_COMMON_WORDS = """
    a about above after agent all also always am an and another answer answers any anybody anyone anything are as ask
    at be because been before being but by can case change come coming could create day did do does doing don
    each else every everybody everyday everyone everything example few find first for from general get getting
    give go goes going good had happen has have having he hear hello help her here hi his how i if in into is it
    item its just keep kind know let like list long look looks made make many matter matters may me mean memory
    more most much must my name need never new no none not nothing number of off often old on once one only or
    other others our ourselves out over own page part people person place please put question rather read reads
    request requests right same say search see seem set settle she short should show shown so some somebody
    someone something soon stand stands such sure take tell telling than thank that the their them then there
    these they thing think this those time to today together too topic under until up update upon us use user
    using usual very want was way we well were what when where which while who whom whose will wish with within
    without word work works would write writes writing yes yet you your yours
"""
_COMMON = frozenset(stem(word) for word in _COMMON_WORDS.split())
"""The stems of words that say nothing of a subject."""


def read_declines(
    rows: Iterable[tuple[int, Mapping[str, str]]], about: frozenset[str], problem: Callable[[int | None, str], None]
) -> list[DeclinedTopic]:
    """Read the table.

    Args:
        rows: Lines, and cells by column name in lower case.
        about: What the agent is about, for contradictions.
        problem: Notes a mistake: line, text.
    """
    found: dict[str, DeclinedTopic] = {}
    for line, row in rows:
        topic, says = row.get("asked for", "").strip(), row.get("what we say", "").strip()
        cells = [cell.strip() for cell in row.get("recognised by", "").split(",") if cell.strip()]
        if not topic:
            problem(line, "a line of the table of what is declined without what is asked for")
        elif topic.casefold() in found:
            problem(line, f"{topic!r} stands twice; first in line {found[topic.casefold()].line}")
        elif not cells:
            problem(line, f"{topic!r} has nothing that it is recognised by: write words or phrases with commas between")
        elif len(cells) > MAX_PHRASES or len(found) >= MAX_TOPICS or len(says) > MAX_SAYS:
            problem(
                line,
                f"{topic!r} is too much: at most {MAX_TOPICS} lines, {MAX_PHRASES} phrases in each, "
                f"and {MAX_SAYS} characters to say",
            )
        else:
            phrases = [_phrase(cell, topic, line, about, problem) for cell in cells]
            kept = tuple(dict.fromkeys(phrase for phrase in phrases if phrase))
            found[topic.casefold()] = DeclinedTopic(topic=topic, phrases=kept, says=says, line=line)
    return list(found.values())


def _phrase(
    cell: str, topic: str, line: int, about: frozenset[str], problem: Callable[[int | None, str], None]
) -> tuple[str, ...]:
    plain = fold(cell).replace("e-mail", "email").replace("’", "'").replace("...", ANY)
    parts = _PART.findall(plain)
    words = tuple(
        part if part == ANY else f"{stem(part[:-1])}*" if part.endswith("*") else stem(part) for part in parts
    )
    telling = [word for word in words if word != ANY]
    rest = re.sub(r"[\s'-]", "", _PART.sub("", plain))
    if rest or not telling or ANY in (words[0], words[-1]):
        problem(line, f"{cell!r} of {topic!r} can't be read: words, '*' at the end of one, '…' between two of them")
        return ()
    if any(len(word) < 4 for word in telling if word.endswith("*")) or set(telling) <= _COMMON:
        problem(line, f"{cell!r} of {topic!r} is too general: it would decline nearly everything")
        return ()
    clash = sorted(about.intersection(telling)) if len(telling) == 1 else []
    if not clash and len(telling) == 1 and telling[0].endswith("*"):
        clash = sorted(word for word in about if word.startswith(telling[0][:-1]))
    if clash:
        problem(line, f"{cell!r} of {topic!r} is declined, but the scope is about {listed(clash)}; decide for one")
        return ()
    return words
