"""A mail is written once, as text; its HTML is made of the same lines, before any value is put in.

First line: the subject. `- ` begins an item, `# ` a heading, `[text](address)` alone on a line a button, `---` a rule;
a line of template tags alone leaves no line behind. Values come later and are escaped, so that whatever somebody
calls himself stays text.
"""

import re

_LINK = re.compile(r"^\[(.+)\]\((.+)\)$")
_TAGS = re.compile(r"^(?:{%.*?%})+$")
_BUTTON = "background:#4f46e5;color:#fff;padding:10px 18px;border-radius:6px;text-decoration:none;display:inline-block"


def subject_of(source: str) -> str:
    """Return the template of the subject."""
    return source.split("\n", 1)[0]


def text_of(source: str) -> str:
    """Return the template of the text part."""
    return "".join(line if _TAGS.match(line) else f"{_as_text(line)}\n" for line in _body(source))


def html_of(source: str) -> str:
    """Return the template of the HTML part, without the page around it."""
    return "\n".join(line if _TAGS.match(line) else _as_html(line) for line in _body(source))


def _body(source: str) -> list[str]:
    return source.partition("\n")[2].strip("\n").split("\n")


def _as_text(line: str) -> str:
    found = _LINK.match(line)
    return f"{found[1]}: {found[2]}" if found else line.removeprefix("# ")


def _as_html(line: str) -> str:
    """Return a block that stands alone: tags around lines may leave out or repeat any of them."""
    if found := _LINK.match(line):
        return f'<p><a href="{found[2]}" style="{_BUTTON}">{found[1]}</a></p>'
    if line.startswith("- "):
        return f'<p style="margin:0 0 4px 16px">&bull; {line[2:]}</p>'
    if line.startswith("# "):
        return f'<h2 style="font-size:16px;margin:24px 0 8px">{line[2:]}</h2>'
    if line == "---":
        return '<hr style="border:0;border-top:1px solid #ddd;margin:24px 0">'
    return f"<p>{line}</p>" if line else ""
