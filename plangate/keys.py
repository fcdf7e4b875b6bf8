"""The identity of calls and effects (design, invariant 2)."""

from __future__ import annotations

import hashlib

KEY_VERSION = "v1"


def call_id(step: str, *, item: int | None = None, fallback: bool = False, revision: int = 0) -> str:
    """The name of a call within its run: `refund`, `notify.2`, `refund-fallback`; born in revision 1: `refund~1`."""
    name = step + ("-fallback" if fallback else "")
    if item is not None:
        name += f".{item}"
    return name + (f"~{revision}" if revision else "")


def idempotency_key(
    *,
    namespace: str,
    effect_identity: str,
    revision: int,
    step: str,
    item: int | None = None,
    fallback: bool = False,
    generation: int = 0,
) -> str:
    """The key of an effect, the same through retry, crash, continue-as-new, replay and reset.

    Args:
        namespace: Temporal namespace.
        effect_identity: The workflow id; a resumed dead letter keeps the original's.
        revision: The plan revision in which the step was born.
        step: Step id.
        item: Index in a `for_each` step.
        fallback: Whether it is the step's fallback call.
        generation: Raised only by a person's "do it again".

    Returns:
        `pg1-` and 40 hexadecimal digits.
    """
    parts = [KEY_VERSION, namespace, effect_identity, str(revision), step + ("-fallback" if fallback else "")]
    parts += ["" if item is None else str(item), str(generation)]
    text = "\x1f".join(part.replace("\\", "\\\\").replace("\x1f", "\\x1f") for part in parts)
    return "pg1-" + hashlib.sha256(text.encode()).hexdigest()[:40]


def approval_id(run: str, call: str) -> str:
    """The id that people use for an approval: `RUN/CALL`."""
    return f"{run}/{call}"


def split_approval_id(text: str) -> tuple[str, str]:
    """`RUN/CALL` into its parts; a text without a slash is a run id, with an empty call."""
    run, _, call = text.rpartition("/")
    return (run, call) if run else (text, "")
