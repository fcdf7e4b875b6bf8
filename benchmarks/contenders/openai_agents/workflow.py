"""The agent as a workflow, as the plugin's own documentation shows it."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from temporalio.openai_agents.workflow import activity_as_tool

    from agents import Agent, Runner
    from benchmarks.contenders.openai_agents.activities import TOOLS


@workflow.defn
class OpenAIAgentsRun:
    """One request answered by an agent with five tools."""

    @workflow.run
    async def run(self, text: str) -> str:
        agent = Agent(
            name="bench",
            instructions="Read what you need with the tools, then answer.",
            model="bench-model",
            tools=[activity_as_tool(tool, start_to_close_timeout=timedelta(seconds=30)) for tool in TOOLS],
        )
        result = await Runner.run(agent, input=text)
        return str(result.final_output)
