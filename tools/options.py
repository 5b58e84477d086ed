"""Print docs/options.md: every option of every deploy, from its model."""

from __future__ import annotations

import re
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from deploys.base import BaseOptions
from deploys.caches import CachesOptions
from deploys.docker import DockerOptions
from deploys.firewall_options import FirewallOptions
from deploys.go import GoOptions
from deploys.goenv import GoenvOptions
from deploys.journald import JournaldOptions
from deploys.kernel import KernelOptions
from deploys.options import Options
from deploys.selinux import SelinuxOptions
from deploys.service_options import ServiceOptions

MODELS: dict[str, type[Options]] = {
    "base": BaseOptions,
    "journald": JournaldOptions,
    "kernel": KernelOptions,
    "selinux": SelinuxOptions,
    "firewall": FirewallOptions,
    "docker": DockerOptions,
    "caches": CachesOptions,
    "goenv": GoenvOptions,
    "go": GoOptions,
    "service": ServiceOptions,
}
HEAD = """# Options

Written by `make docs` from the models in `deploys/`; a test keeps it fresh. Set an option in
`group_data/`, in a group of the inventory, or on a single host: a host goes before `group_data/GROUP.py`,
that before the group in the inventory, and `group_data/all.py` comes last. A name or a value
that is not in these tables stops the run before anything is changed on any host; a name that looks like
none of them (`site_owner`) is yours, and ignored.
"""


def main() -> None:
    """Print the page."""
    print(HEAD)
    for deploy, model in MODELS.items():
        print(f"## {deploy}\n\n| option | type | default | meaning |\n|---|---|---|---|")
        for name, field in model.model_fields.items():
            print(row(model.namespace + name, field))
        print()


def row(name: str, field: FieldInfo) -> str:
    """Return one line of the table."""
    default = "" if field.default is None else f"`{field.default!r}`"
    cells = [f"`{name}`", kind(field.annotation), default, field.description or ""]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def kind(annotation: Any) -> str:
    """Return a type in words: ``kind(list[str] | None)`` is ``list of text``."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " or ".join(kind(arg) for arg in args if arg is not type(None))
    if origin is Literal:
        return ", ".join(f"`{arg}`" for arg in args)
    if origin is list:
        return f"list of {kind(args[0])}"
    if origin is dict:
        return f"{kind(args[0])} to {kind(args[1])}"
    if args:
        return kind(args[0])
    words = {str: "text", bool: "`True` or `False`", int: "number"}
    return words.get(annotation, re.sub(r"(?<!^)([A-Z])", r" \1", annotation.__name__).lower())


if __name__ == "__main__":
    main()
