"""What models are asked: the prompts' fixed texts (`*.md`), and how a task becomes instructions and a message.

The shape is a contract with the offline model: `Agent:` and `Task:` lines first in the instructions, then sections
`<context>`, `<request>`, `<progress>`, `<results>` in the message. May import: plangate, `activities.models`.
"""
