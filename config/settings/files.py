"""Where files are: documents, exports, snapshots. A folder of this machine, or S3 for several machines."""

from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from config import env

MIB = 1024 * 1024
_KNOWN = ("endpoint", "region")


def storage(url: str) -> dict[str, Any]:
    """Return Django's description of the storage at `url`; raises ImproperlyConfigured.

    `file:///srv/files`, or `s3://bucket/folder?endpoint=https://…&region=eu-central-1`. Keys to S3 come from where
    every program of Amazon looks for them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the machine's role.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    if parts.scheme == "file" and parts.path and not (parts.netloc or options):
        return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": unquote(parts.path)}}
    if parts.scheme == "s3" and parts.hostname and "@" not in parts.netloc and set(options) <= set(_KNOWN):
        return {"BACKEND": "modules.kernel.files.S3Files", "OPTIONS": _s3(parts.netloc, parts.path, options)}
    known = ", ".join(_KNOWN)  # the value may hold a secret, so it is not told
    raise ImproperlyConfigured(f"FILES_URL is file:///FOLDER or s3://BUCKET/FOLDER with {known}, and holds no keys.")


def _s3(bucket: str, path: str, options: dict[str, str]) -> dict[str, Any]:
    from boto3.s3.transfer import TransferConfig
    from botocore.config import Config

    endpoint = options.get("endpoint")
    return {
        "bucket_name": bucket,
        "location": path.strip("/"),
        "endpoint_url": endpoint,
        "region_name": options.get("region"),
        "client_config": Config(
            connect_timeout=5,
            read_timeout=60,
            retries={"max_attempts": 3, "mode": "standard"},
            signature_version="s3v4",
            s3={"addressing_style": "path" if endpoint else "auto"},
        ),
        # In the caller's thread: an export is read from the database while it is uploaded, by the caller's connection
        # and in its tenant's scope. One part is in memory.
        "transfer_config": TransferConfig(multipart_chunksize=8 * MIB, use_threads=False),
    }


FILES = storage(env.text("FILES_URL", f"file://{quote(str(env.data_dir() / 'files'))}"))
