"""Model access: one thin layer over the `openai` client, for the Responses API and Chat Completions.

Here live the settings, the client, the error taxonomy, prices and token counts; what is asked stands in
`activities.prompts`. May import: plangate, openai, httpx2, temporalio, genai-prices, bpe-openai.
"""

from __future__ import annotations

from activities.models.client import ModelClient, UsageSink
from activities.models.contracts import Completion, Message, ModelCall, OutputSchema, Purpose
from activities.models.errors import retry_after_seconds
from activities.models.settings import ModelAccessSettings, ModelPrice, Role

__all__ = [
    "Completion",
    "Message",
    "ModelAccessSettings",
    "ModelCall",
    "ModelClient",
    "ModelPrice",
    "OutputSchema",
    "Purpose",
    "Role",
    "UsageSink",
    "retry_after_seconds",
]
