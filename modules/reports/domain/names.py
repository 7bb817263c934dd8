"""Names of files that are harmless wherever an archive is unpacked."""

import unicodedata

MAX_BYTES = 120  # of one part of a path; Windows takes 260 characters for all of them
_FORBIDDEN = set('<>:"/\\|?*')
_DEVICES = {
    "CON",
    "PRN",
    "AUX",
    "NUL",
    "CONIN$",
    "CONOUT$",
    *(f"{port}{n}" for port in ("COM", "LPT") for n in "123456789¹²³"),
}


def safe_name(text: str, *, otherwise: str = "file") -> str:
    """Return the text as one part of a path: no separator, no way up, nothing invisible, no device of Windows."""
    whole = unicodedata.normalize("NFC", text)
    visible = "".join("_" if letter in _FORBIDDEN or _is_hidden(letter) else letter for letter in whole)
    name = _shortened(visible.strip(" .")).strip(" .") or otherwise
    return f"_{name}" if name.partition(".")[0].rstrip().upper() in _DEVICES else name


class Names:
    """The paths that an archive has already, so that none comes twice, not even where case does not count."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, *parts: str) -> str:
        """Return a path of these safe parts that was not there yet."""
        folder, name = "/".join(parts[:-1]), parts[-1]
        stem, dot, ending = name.rpartition(".") if "." in name else (name, "", "")
        path, number = f"{folder}/{name}", 1
        while path.casefold() in self._taken:
            number += 1
            path = f"{folder}/{stem} ({number}){dot}{ending}"
        self._taken.add(path.casefold())
        return path


def _is_hidden(letter: str) -> bool:
    """Return whether it is a control, a mark of direction or half a character."""
    return unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def _shortened(name: str) -> str:
    """Return at most so many bytes of it, its ending kept."""
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending.encode()) > 16:
        stem, dot, ending = name, "", ""
    room = MAX_BYTES - len(f"{dot}{ending}".encode())
    return stem.encode()[:room].decode(errors="ignore") + dot + ending
