"""The text of a file on a host, from the template of the same path."""

from __future__ import annotations

from pathlib import Path

from jinja2 import DictLoader, Environment, StrictUndefined

_ROOT = Path(__file__).parent.parent / "templates"
_TEMPLATES = Environment(
    loader=DictLoader({str(path.relative_to(_ROOT)): path.read_text() for path in _ROOT.rglob("*.j2")}),
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # configuration files, not HTML
)


def rendered(deploy: str, path: str, **values: object) -> str:
    """
    Return ``templates/<deploy>/<path>.j2`` with its values filled in.

    + deploy: the deploy whose file it is
    + path: absolute path on the host
    + values: what the template names; a missing one raises jinja2.UndefinedError

    ``rendered("docker", "/etc/profile.d/elforge-buildkit.sh")``
    """
    return _TEMPLATES.get_template(f"{deploy}{path}.j2").render(**values)
