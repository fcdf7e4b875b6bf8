"""Reads a text with Presidio: a sentence and the one before it at a time.

What is found in a sentence then never changes when more text comes, so an answer can be shown while it streams, each
sentence is read once, and no text is too long. Presidio fails closed: whatever it raises, or gives up, is raised here,
without the words that it had before it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from activities.guardrails.facts import sentences
from activities.guardrails.pii.finding import beside
from activities.guardrails.pii.found import Found, words_of
from activities.guardrails.presidio.pipelines import (
    Unusable,
    labels_of,
    languages_of,
    load_presidio,
    pipeline,
    recognisers,
)
from plangate.agents import AgentSettings, Scope
from plangate.guardrails import OWN_ENTITIES
from plangate.wording import suggestion

_one_at_a_time = threading.Lock()
"""spaCy's pipelines are shared by all threads, and what Presidio warns of belongs to one text."""
AT_ONCE = 16
"""Sentences that are read in one go: few enough that nobody else waits long."""
Places = dict[str, tuple[Found, ...]]
"""What was found by the text that was read."""


class PresidioFailed(RuntimeError):
    """Presidio raised or gave up. Has no word of the text."""


@dataclass(frozen=True)
class Sought:
    """What to look for, and with what.

    Attributes:
        models: Pairs of language and spaCy pipeline: a package's name or an absolute path.
        entities: Presidio's names.
        score: How sure it has to be, above 0 and up to 0.85.
    """

    models: tuple[tuple[str, str], ...]
    entities: tuple[str, ...]
    score: float

    @classmethod
    def by(cls, scope: Scope, settings: AgentSettings) -> Sought | None:
        """What an agent wants of Presidio; None when it wants nothing.

        Raises:
            Unusable: The scope names what to look for, and no model is declared.
        """
        entities, how = scope.guardrails.presidio_entities, settings.presidio
        if not entities:
            return None
        if how is None:
            raise Unusable("agent.yaml names no model for Presidio")
        return cls(tuple(how.models.items()), entities, how.score)


class Analyser:
    """Presidio over the pipelines of some languages.

    Args:
        sought: What to look for.

    Raises:
        Unusable: Presidio or a pipeline isn't there.
    """

    def __init__(self, sought: Sought) -> None:
        presidio = load_presidio()
        from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine
        from presidio_analyzer.predefined_recognizers import SpacyRecognizer

        self._sought = sought
        self._pipelines = {language: pipeline(model) for language, model in sought.models}
        labels = {language: labels_of(nlp) for language, nlp in self._pipelines.items()}
        patterns = recognisers(self._pipelines)
        self.finds = {
            language: set(labels[language].values()).union(
                *(each.supported_entities for each in patterns if each.supported_language == language)
            )
            for language in self._pipelines
        }
        self._looked_for = {
            language: sorted(found.intersection(sought.entities)) for language, found in self.finds.items()
        }
        names = {label: name for each in labels.values() for label, name in each.items()}
        engine = SpacyNlpEngine(
            models=[{"lang_code": language, "model_name": model} for language, model in sought.models],
            ner_model_configuration=NerModelConfiguration(
                model_to_presidio_entity_mapping=names,
                labels_to_ignore=[label for label, name in names.items() if name not in sought.entities],
            ),
        )
        engine.nlp = dict(self._pipelines)  # so it counts as loaded: its own way of loading downloads what is missing
        used = [each for each in patterns if set(each.supported_entities).intersection(sought.entities)]
        for language, found in labels.items():
            if wanted := sorted(set(found.values()).intersection(sought.entities)):
                used.append(SpacyRecognizer(supported_language=language, supported_entities=wanted))
        for nlp in self._pipelines.values():
            for entity in sought.entities:
                nlp.vocab.strings.add(entity)
        self._engine: Any = None
        if used:
            registry = presidio.RecognizerRegistry(recognizers=used, supported_languages=list(self._pipelines))
            self._engine = presidio.AnalyzerEngine(
                registry=registry, nlp_engine=engine, supported_languages=list(self._pipelines)
            )

    def find(self, text: str, known: Places | None = None) -> list[Found]:
        """What there is, in its order, without overlaps.

        Args:
            text: The answer, or its beginning.
            known: What was found in the same answer before; is added to.

        Raises:
            PresidioFailed: Presidio raised, or gave up on a pattern.
        """
        known = {} if known is None else known
        spans = list(sentences(text))
        begins = [0, *(start for start, _ in spans)]
        read = [text[begin:end] for begin, (_, end) in zip(begins, spans, strict=False)]
        new = [each for each in dict.fromkeys(read) if each not in known]
        for at in range(0, len(new), AT_ONCE):
            known.update(self._read(new[at : at + AT_ONCE]))
            time.sleep(0)  # others wait for their turn, the event loop with an answer that streams among them
        kept: list[Found] = []
        for window, begin, (start, _) in zip(read, begins, spans, strict=False):
            for each in known[window]:
                if begin + each.end > start:
                    kept += beside(kept, [Found(each.kind, begin + each.start, begin + each.end, each.key)], text)
        return sorted(kept, key=lambda each: each.start)

    def _read(self, texts: list[str]) -> Places:
        """What there is in each of these, without overlaps."""
        results: dict[str, list[Any]] = {text: [] for text in texts}
        problem = ""
        with _one_at_a_time, _Warned() as warned:
            try:
                for language, entities in self._looked_for.items():
                    if entities:
                        self._analyse(results, language, entities)
            except Exception as error:  # noqa: BLE001 - its message may have words of the text
                problem = type(error).__name__
        if problem or warned.of:
            raise PresidioFailed(f"Presidio could not read a text: {problem or warned.of[0]}")
        return {text: _without_overlaps(text, found) for text, found in results.items()}

    def _analyse(self, results: dict[str, list[Any]], language: str, entities: list[str]) -> None:
        """Add what there is in each of the texts; all in one go, which takes a network half the time."""
        with self._pipelines[language].memory_zone():  # what spaCy learns of the words is forgotten at its end
            for text, read in self._engine.nlp_engine.process_batch(list(results), language, batch_size=AT_ONCE):
                if not any(read.lemmas):  # a pipeline without lemmas: words near a number count as they are written
                    read.lemmas = [token.lower_ for token in read.tokens]
                    read.keywords = read.set_keywords(read.nlp_engine, read.lemmas, language)
                results[text] += self._engine.analyze(
                    text, language, entities=entities, score_threshold=self._sought.score, nlp_artifacts=read
                )


def _without_overlaps(text: str, results: list[Any]) -> tuple[Found, ...]:
    kept: list[Found] = []
    # The longest first: a number is one number, also where a model takes its first digits for a name.
    for result in sorted(results, key=lambda each: (each.start - each.end, -each.score, each.start)):
        if key := words_of(text[result.start : result.end]):
            kept += beside(kept, [Found(result.entity_type, result.start, result.end, key)], text)
    return tuple(kept)


@lru_cache(maxsize=16)
def analyser(sought: Sought) -> Analyser:
    """The analyser, made once in a process: that takes seconds.

    Raises:
        Unusable: Presidio or a pipeline isn't there.
    """
    try:
        return Analyser(sought)
    except Unusable:
        raise
    except Exception as error:
        raise Unusable(f"Presidio can't be set up: {type(error).__name__}: {error}") from error


def unknown(sought: Sought, found: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """What none of the models and recognisers finds, each with what is wrong.

    Args:
        sought: What to look for.
        found: What is found, by language.
    """
    languages, wrong = languages_of(), {}
    known = sorted({each for names in found.values() for each in names} - OWN_ENTITIES.keys())
    for name in sought.entities:
        if name in OWN_ENTITIES:
            wrong[name] = f"{name} is found by our own detectors, as {OWN_ENTITIES[name].value!r}: leave it out here"
        elif name not in known and name in languages:
            where = ", ".join(sorted(languages[name]))
            wrong[name] = f"{name} is found in texts in {where} only; add a model for one to `presidio` in agent.yaml"
        elif name not in known:
            hint = suggestion(name, known) or "."
            wrong[name] = f"none of the models in agent.yaml finds {name}{hint} With these there are {', '.join(known)}"
    return wrong


class _Warned(logging.Handler):
    """What Presidio warns of while it reads a text: it warns and goes on where it should stop."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.of: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = str(record.msg)  # without its arguments, which may be words of the text
        if "is not mapped to a Presidio entity" not in message:  # a label that nobody asked for
            self.of.append(message)

    def __enter__(self) -> _Warned:
        logging.getLogger("presidio-analyzer").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("presidio-analyzer").removeHandler(self)
