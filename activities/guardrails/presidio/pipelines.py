"""spaCy pipelines from this machine, and Presidio's own recognisers. What isn't there is an error, never a download."""

from __future__ import annotations

import importlib.util
import logging
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

ONLINE = frozenset({"BasicLangExtractRecognizer", "EmailRecognizer", "HuggingFaceNerRecognizer"})
"""Recognisers that ask the network: a model's endpoint, the list of public suffixes, a hub of models."""
REGEX_SECONDS = 2
"""A pattern of Presidio's that takes longer is given up, and the answer with it; its own limit is a minute."""
_OF_WORDS = re.compile(r"attribute_ruler|morphologizer|parser|senter|tagger|textcat\w*|trainable_lemmatizer")
"""Components of spaCy whose labels are about grammar or the whole text, and name nothing in it."""
PAGE = "docs/guardrails.md has how"


class Unusable(Exception):
    """Presidio can't work as it is set up; says what to install or to change."""


def load_presidio() -> Any:
    """The module `presidio_analyzer`, which may take seconds the first time.

    Raises:
        Unusable: It isn't installed, or can't be imported.
    """
    try:
        import presidio_analyzer
        import presidio_analyzer.pattern_recognizer as patterns
        import spacy
    except ImportError as error:
        if (error.name or "").partition(".")[0] in ("presidio_analyzer", "spacy"):
            install = "`pip install 'plangate[presidio]'`, or in a checkout `make setup`"
            raise Unusable(f"Presidio isn't installed in this environment: {install}") from None
        raise Unusable(f"Presidio can't be imported: {type(error).__name__}: {error}") from None
    log = logging.getLogger("presidio-analyzer")
    log.setLevel(logging.WARNING)  # below that it logs words of the text
    log.propagate = False
    patterns.REGEX_TIMEOUT_SECONDS = REGEX_SECONDS
    assert spacy
    return presidio_analyzer


@lru_cache(maxsize=16)
def pipeline(model: str) -> Any:
    """A spaCy pipeline, loaded once in a process.

    Args:
        model: The name of an installed package, or an absolute path of a folder.

    Raises:
        Unusable: It isn't there or can't be loaded.
    """
    load_presidio()
    import spacy

    if is_folder(model):
        if not Path(model).is_dir():
            raise Unusable(f"there is no folder {model!r} with a spaCy pipeline")
        if not (Path(model) / "config.cfg").is_file():
            raise Unusable(f"the folder {model!r} is no spaCy pipeline: it has no config.cfg")
    elif importlib.util.find_spec(model) is None:
        install = f"`pip install {model}-VERSION-py3-none-any.whl` with the wheel from spaCy's releases"
        raise Unusable(
            f"the spaCy model {model!r} isn't installed, and none is downloaded: {install} ({PAGE}), "
            "or give the path of its folder"
        )
    try:
        return spacy.load(model)
    except Exception as error:
        words = str(error).splitlines()[0] if str(error) else ""
        raise Unusable(f"the spaCy pipeline {model!r} can't be loaded: {type(error).__name__}: {words}") from error


def is_folder(model: str) -> bool:
    """Whether a model is given as a path; a package's name has no slash and no dot."""
    return not model.isidentifier()


@lru_cache(maxsize=1)
def _known() -> tuple[dict[str, Any], ...]:
    """Presidio's recognisers as its own configuration lists them, those that it leaves switched off included."""
    load_presidio()
    from presidio_analyzer.recognizer_registry.recognizers_loader_utils import RecognizerConfigurationLoader

    listed = RecognizerConfigurationLoader.get()["recognizers"]
    return tuple({**each, "enabled": True} for each in listed if each["name"] not in ONLINE)


def recognisers(languages: Iterable[str]) -> list[Any]:
    """Presidio's recognisers by pattern for these languages; none needs the network."""
    from presidio_analyzer.recognizer_registry.recognizers_loader_utils import (
        RecognizerConfigurationLoader,
        RecognizerListLoader,
    )

    languages = set(languages)
    wanted = []
    for each in _known():
        texts_in = [of for of in _languages(each) if _code(of) in languages]
        if texts_in or not _languages(each):  # those without languages are for all
            wanted.append({**each, "supported_languages": texts_in or None})
    flags = RecognizerConfigurationLoader.get()["global_regex_flags"]
    return list(
        RecognizerListLoader.get(recognizers=wanted, supported_languages=sorted(languages), global_regex_flags=flags)
    )


def languages_of() -> dict[str, set[str]]:
    """Languages by what is looked for in texts of these only, to say which model is missing."""
    found: dict[str, set[str]] = {}
    for each in recognisers({_code(of) for listed in _known() for of in _languages(listed)}):
        for entity in each.supported_entities:
            found.setdefault(entity, set()).add(each.supported_language)
    return found


def _languages(listed: dict[str, Any]) -> list[Any]:
    """The languages of a recogniser in the configuration, each with words that stand near, or without."""
    return list(listed.get("supported_languages") or ())


def _code(language: Any) -> str:
    return str(language["language"] if isinstance(language, dict) else language)


def labels_of(nlp: Any) -> dict[str, str]:
    """What a pipeline calls what it finds, and Presidio's name for each."""
    from presidio_analyzer.nlp_engine.ner_model_configuration import MODEL_TO_PRESIDIO_ENTITY_MAPPING as NAMES

    labels = {
        str(label)
        for component, found in nlp.pipe_labels.items()
        if not _OF_WORDS.fullmatch(nlp.get_pipe_meta(component).factory)
        for label in found
    }
    return {label: NAMES.get(label, label) for label in labels}
