"""Files on S3, read as they come."""

import io
from typing import Any

from botocore.exceptions import ClientError
from django.core.files.base import File
from storages.backends.s3 import S3Storage
from storages.utils import clean_name

NOT_FOUND = 404


class S3Files(S3Storage):  # type: ignore[misc] # it comes without types
    """S3 whose objects are read piece by piece; the stock one takes a whole object into memory first."""

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        """Return the object, to be read once from its beginning; raises FileNotFoundError."""
        if mode != "rb":
            raise ValueError("Objects are read here, and written by save().")
        key = self._normalize_name(clean_name(name))
        return File(io.BufferedReader(self._body(key)), name=name)

    def _body(self, key: str) -> Any:
        try:
            return self.bucket.Object(key).get()["Body"]
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == NOT_FOUND:
                raise FileNotFoundError(key) from None
            raise
