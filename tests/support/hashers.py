"""A quick password hash that counts how often it is made: what a slow one costs is this many times its price."""

from typing import ClassVar

from django.contrib.auth.hashers import MD5PasswordHasher


class CountingHasher(MD5PasswordHasher):
    """Counts in `made`."""

    made: ClassVar[list[str]] = []

    def encode(self, password, salt):
        self.made.append(password)
        return super().encode(password, salt)
