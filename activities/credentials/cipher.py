"""Encrypts credentials before workers share them through the database."""

from __future__ import annotations

from pydantic import SecretStr

from plangate.credentials import Credential
from plangate.errors import InvalidInput

KEY_VARIABLE = "PLANGATE_CREDENTIALS_KEY"
_MAKE_ONE = 'make one with: python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'


class Cipher:
    """Fernet: authenticated encryption with AES. The first key encrypts, all of them decrypt.

    Args:
        keys: Keys with commas between them.

    Raises:
        InvalidInput: One is not a key. The message says which, never what it was.
    """

    def __init__(self, keys: str) -> None:
        from cryptography.fernet import Fernet, MultiFernet

        made = []
        given = [each.strip() for each in keys.split(",")]
        for number, key in enumerate(given, 1):
            try:
                made.append(Fernet(key))
            except ValueError:
                raise InvalidInput(
                    f"{KEY_VARIABLE}: key {number} of {len(given)} is not a Fernet key (32 bytes in URL-safe base64); "
                    f"{_MAKE_ONE}"
                ) from None
        self._fernet = MultiFernet(made)
        self.keys = len(made)

    def encrypt(self, agent: str, credential: Credential) -> str:
        """What the database keeps."""
        plain = f"{agent}\n{credential.value.get_secret_value()}"
        return self._fernet.encrypt(plain.encode()).decode()

    def decrypt(self, agent: str, stored: str) -> SecretStr | None:
        """The secret; None when no key here opens it, or it is another agent's."""
        from cryptography.fernet import InvalidToken

        try:
            owner, _, value = self._fernet.decrypt(stored.encode()).decode().partition("\n")
        except (InvalidToken, ValueError):
            return None
        return SecretStr(value) if owner == agent else None


def cipher_of(keys: SecretStr) -> Cipher | None:
    """The cipher of the configured keys; None without any.

    Raises:
        InvalidInput: One is not a key.
    """
    text = keys.get_secret_value().strip()
    return Cipher(text) if text else None
