"""The agent's run as a workflow, as the library's own documentation shows it."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic_ai.durable_exec.temporal import PydanticAIWorkflow

    from benchmarks.contenders.pydantic_ai.agent import agent


@workflow.defn
class PydanticAIRun(PydanticAIWorkflow):
    """One request answered by an agent with five tools."""

    __pydantic_ai_agents__ = [agent]  # noqa: RUF012  (the library's own protocol)

    @workflow.run
    async def run(self, text: str) -> str:
        result = await agent.run(text)
        return result.output
