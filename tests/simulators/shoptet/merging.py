from .bodies import Body


def merge(body: Body, changes: Body) -> Body:
    """Return `body` with `changes` laid over it: objects key by key, everything else whole."""
    merged = dict(body)
    for key, value in changes.items():
        inner = merged.get(key)
        merged[key] = merge(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged
