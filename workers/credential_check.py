"""What `plangate doctor` says of credentials: whether workers can share them."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr

from activities.credentials.cipher import KEY_VARIABLE, cipher_of
from plangate.errors import InvalidInput


def credential_state(environ: Mapping[str, str]) -> tuple[bool, str, str]:
    """Whether the key is usable, what that means, and what to do."""
    try:
        cipher = cipher_of(SecretStr(environ.get(KEY_VARIABLE, "")))
    except InvalidInput as error:
        return False, error.message, f"set {KEY_VARIABLE} to a key, or unset it"
    if cipher is None:
        return True, f"{KEY_VARIABLE} is not set: no secret is stored, each worker refreshes its own", ""
    count = f"{cipher.keys} key{'s' * (cipher.keys != 1)}"
    return True, f"{count} in {KEY_VARIABLE}: workers share what one of them refreshed, encrypted", ""
