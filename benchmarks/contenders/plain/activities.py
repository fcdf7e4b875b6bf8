"""Activities of the plain workflow: two model calls and five read tools."""

from openai import AsyncOpenAI
from temporalio import activity

from benchmarks.contenders.plain.contracts import AnswerRequest, Plan, Record, RunAnswer, RunRequest, ToolArguments
from benchmarks.records import TOOL_NAMES, read_record

MODEL = "bench-model"


class ModelActivities:
    """The model calls, on one shared client."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client

    @activity.defn
    async def make_plan(self, request: RunRequest) -> Plan:
        """Ask the model which tools to call."""
        response = await self._client.responses.parse(
            model=MODEL,
            instructions=f"Plan which of these tools to call: {', '.join(TOOL_NAMES)}.",
            input=request.text,
            text_format=Plan,
        )
        if response.output_parsed is None:
            raise ValueError("the model returned no plan")
        return response.output_parsed

    @activity.defn
    async def write_answer(self, request: AnswerRequest) -> RunAnswer:
        """Ask the model for the answer, given every record."""
        response = await self._client.responses.create(
            model=MODEL, instructions="Answer from the records.", input=request.model_dump_json()
        )
        return RunAnswer(answer=response.output_text)


@activity.defn
async def find_order(arguments: ToolArguments) -> Record:
    """Read an order."""
    return Record.model_validate(read_record("find_order", arguments.key))


@activity.defn
async def find_customer(arguments: ToolArguments) -> Record:
    """Read an order's customer."""
    return Record.model_validate(read_record("find_customer", arguments.key))


@activity.defn
async def find_payment(arguments: ToolArguments) -> Record:
    """Read an order's payment."""
    return Record.model_validate(read_record("find_payment", arguments.key))


@activity.defn
async def find_shipment(arguments: ToolArguments) -> Record:
    """Read an order's shipment."""
    return Record.model_validate(read_record("find_shipment", arguments.key))


@activity.defn
async def find_policy(arguments: ToolArguments) -> Record:
    """Read the policy that applies to an order."""
    return Record.model_validate(read_record("find_policy", arguments.key))


TOOLS = (find_order, find_customer, find_payment, find_shipment, find_policy)
