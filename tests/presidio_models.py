"""Small spaCy pipelines made on the spot: no package registry has any, and tests fetch nothing from elsewhere."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

FIRST = ["Tom", "Rosa", "Kim", "Ada", "Ines", "Olaf", "Mira", "Juan", "Lena", "Paul"]
LAST = ["Baker", "Martinez", "Larsen", "Okafor", "Novak", "Fischer", "Rossi", "Dubois", "Silva", "Berg"]
_SENTENCES = [
    "The parcel was signed for by {}.", "{} lives next door.", "We sent it to {} on Monday.",
    "Your neighbour {} has taken it.", "{} asked for a refund of the teapot.", "It belongs to {}.",
    "Please ask {} about the order.", "The other order is {}'s.",
]  # fmt: skip
_WITHOUT = [
    "The parcel was sent on Monday.", "Your order is late.", "We refunded the Wren teapot.", "It arrives on Friday.",
    "Please write to us.", "The teapot is sold out.",
]  # fmt: skip


def ruled(folder: Path, *, language: str = "en", **labels: list[str]) -> Path:
    """A pipeline that knows these names and nothing else, in a folder.

    Args:
        folder: Where.
        language: Of which it says to be.
        labels: Names by spaCy's label for them.
    """
    import spacy

    nlp = spacy.blank(language)
    if labels:
        known = [{"label": label, "pattern": name} for label, names in labels.items() for name in names]
        nlp.add_pipe("entity_ruler").add_patterns(known)  # type: ignore[attr-defined]
    folder.parent.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(folder)
    return folder


def trained(folder: Path) -> Path:
    """A pipeline whose network was trained to see names of people, which takes some seconds; the same each time."""
    import spacy
    from spacy.training import Example
    from spacy.util import fix_random_seed

    fix_random_seed(7)
    chance = random.Random(7)
    nlp = spacy.blank("en")
    nlp.add_pipe("ner").add_label("PERSON")  # type: ignore[attr-defined]
    examples = [Example.from_dict(nlp.make_doc(text), {"entities": []}) for text in _WITHOUT * 4]
    for _ in range(8):
        for sentence in _SENTENCES:
            name = f"{chance.choice(FIRST)} {chance.choice(LAST)}"
            at = sentence.index("{}")
            found: dict[str, Any] = {"entities": [(at, at + len(name), "PERSON")]}
            examples.append(Example.from_dict(nlp.make_doc(sentence.format(name)), found))
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(6):
        chance.shuffle(examples)
        for batch in spacy.util.minibatch(examples, size=8):
            nlp.update(batch, sgd=optimizer, drop=0.1)
    nlp.to_disk(folder)
    return folder


def like_a_small_one(folder: Path, names: Path) -> Path:
    """The trained pipeline with an untrained tagger and parser after it: as slow as one of spaCy's small models.

    Before it they would cut names apart: no name reaches over what a parser takes for the end of a sentence.
    """
    import spacy
    from spacy.training import Example

    nlp = spacy.load(names)
    doc = nlp.make_doc("We sent it to Tom on Monday")
    words: dict[str, Any] = {
        "tags": ["PRP", "VBD", "PRP", "IN", "NNP", "IN", "NNP"],
        "heads": [1, 1, 1, 1, 3, 1, 5],
        "deps": ["nsubj", "ROOT", "dobj", "prep", "pobj", "prep", "pobj"],
    }
    example = Example.from_dict(doc, words)
    for name in ("tagger", "parser"):
        nlp.add_pipe(name).initialize(lambda: [example], nlp=nlp)  # type: ignore[attr-defined]
    nlp.to_disk(folder)
    return folder
