"""The activity `respond`: a model puts the results of a run into words."""

from __future__ import annotations

from temporalio import activity

from activities.guardrails.answers import Answers
from activities.guardrails.confidence import weighed
from activities.guardrails.registry import OUTPUT, PLAIN
from activities.models import Message, ModelCall, ModelClient, Purpose, Role
from activities.models.beats import Beats
from activities.models.contracts import OutputSchema
from activities.models.errors import application_error
from activities.models.falling_back import ModelsInOrder
from activities.models.turns import Early
from activities.planning import Agents, find_agent
from activities.prompts.excerpts import fitting
from activities.prompts.planner import Agent
from activities.prompts.responder import responder_instructions, responder_message
from activities.prompts.results import Results, load_by_step
from plangate.runs import INLINE_BYTES
from plangate.tasks import Answer, RespondTask

MAX_ANSWER_BYTES = INLINE_BYTES
"""UTF-8 bytes of an answer at most, since it goes into history."""


class RespondingActivities:
    """Answering with a model.

    Args:
        agents: The catalogue.
        models: The worker's model client.
        results: The store that results are loaded from.
    """

    def __init__(self, agents: Agents, models: ModelClient, results: Results) -> None:
        self._agents = agents
        self._models = models
        self._results = results
        self._instructions: dict[str, tuple[str, str]] = {}
        self._shapes: dict[str, tuple[str, OutputSchema]] = {}

    @activity.defn(name="respond")
    async def respond(self, task: RespondTask) -> Answer:
        """Ask the answering model for the answer's text.

        With `task.stream` the text so far goes into the heartbeats' details as `{"text", "attempt"}`. A new attempt
        starts from nothing, which is what `attempt` is there to tell. Only what has passed the output guardrails is
        shown; an answer that they refuse has no text, and a verdict.

        Raises:
            ApplicationError: Retryable when the endpoint failed for now; else with type `ModelRefused`, `ModelEmpty` or
                `ModelMalformed` when its answer is of no use, or the endpoint's permanent error.
        """
        agent = find_agent(self._agents, task.agent)
        results = await load_by_step(self._results, task.results)
        results.update(task.answers)
        answers = Answers(agent, task, results, OUTPUT)
        with Beats(task.failed) as beats:
            shown = answers.watched(beats.text) if task.stream else None
            call = self._call(agent, task, self._message(agent, task, results), beats)
            names = self._models.settings.models_for(Role.ANSWER, agent.settings.models)
            models = ModelsInOrder(self._models, names, beats.seconds)
            try:
                completion = await models.complete(call, shown)
            except Early as early:
                return Answer(text="", early=early.wait)
        if completion.problem is not None:
            model = completion.usage.models[0]
            raise application_error(
                completion.problem,
                f"answering failed: the model {model!r} gave no usable answer: {completion.explanation}",
                attempt=beats.attempt,
            )
        await models.remember(call, completion)
        answer = await answers.judge_aside(completion.text.strip())
        least = agent.scope.guardrails.confidence_under
        known = weighed(answer, task, least)
        return known.model_copy(update={"usage": completion.usage, "fell_back": models.told})

    @activity.defn(name="judge_plain")
    async def judge_plain(self, task: RespondTask) -> Answer:
        """Take out of an answer that no model wrote what isn't the person's to read: it quotes plans and errors."""
        agent = find_agent(self._agents, task.agent)
        results = await load_by_step(self._results, task.results)
        results.update(task.answers)
        return await Answers(agent, task, results, PLAIN).judge_aside(task.text)

    def _cached_instructions(self, agent: Agent) -> str:
        known = self._instructions.get(agent.name)
        if known is None or known[0] != agent.version:
            known = self._instructions[agent.name] = (agent.version, responder_instructions(agent))
        return known[1]

    def _shape(self, agent: Agent) -> OutputSchema | None:
        """The schema of the agent's answers; the same object each time, since its text is kept by its identity."""
        schema = agent.settings.answer_schema
        if schema is None:
            return None
        known = self._shapes.get(agent.name)
        if known is None or known[0] != agent.version:
            known = self._shapes[agent.name] = (agent.version, OutputSchema("answer", schema))
        return known[1]

    def _message(self, agent: Agent, task: RespondTask, results: dict[str, object]) -> str:
        return fitting(
            lambda shortened: responder_message(task, shortened, agent.tools),
            results,
            used=self._cached_instructions(agent),
            tokens=self._models.settings.prompt_tokens,
        )

    def _call(self, agent: Agent, task: RespondTask, message: str, beats: Beats) -> ModelCall:
        settings = self._models.settings
        purpose = Purpose(
            run=task.run,
            agent=agent.name,
            version=agent.version,
            task="answer",
            attempt=beats.attempt,
            max_attempts=beats.max_attempts,
            user=task.user,
            session=task.session,
            rounds=task.rounds,
        )
        return ModelCall(
            purpose=purpose,
            model=settings.model_for(Role.ANSWER, agent.settings.models),
            instructions=self._cached_instructions(agent),
            messages=(Message("user", message),),
            max_bytes=MAX_ANSWER_BYTES,
            schema=self._shape(agent),
            temperature=agent.settings.temperature,
            timeout_seconds=beats.seconds(settings.timeout_seconds),
            cache_seconds=agent.settings.cache.answer,
        )
