"""The offline model: an OpenAI-compatible HTTP server that follows rules kept in each agent's folder.

It serves when no key is configured, and as the test and fault-injection endpoint. May import: `plangate`,
starlette, uvicorn, jmespath, yaml, bpe-openai. Nothing in the product knows that it isn't a real model.
"""
