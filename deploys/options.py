"""Strict, typed options out of ``host.data``; every mistake of every host in one message.

Users write flat, prefixed keys (``docker_log_driver``), because pyinfra layers inventory data per key.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from typing import Any, ClassVar, Self

from pydantic import ValidationError, model_validator
from pydantic_core import ErrorDetails

from pure.model import Model
from pure.secrets import masked

# How alike (0 to 1) a name must be to be offered instead of an unknown option, and to be taken for a slip
# of the keyboard when it does not even start like one of ours.
HINT, SLIP = 0.7, 0.9


class Options(Model):
    """Base of every deploy's options: immutable, strictly typed, no unknown keys."""

    namespace: ClassVar[str]
    # Options, or fields in them, whose values may hold secrets, even mistaken ones: no message repeats them.
    hidden: ClassVar[frozenset[str]] = frozenset()
    # Names that one might expect and that are no options on purpose, with the reason.
    declined: ClassVar[Mapping[str, str]] = {}

    def contradictions(self) -> Iterator[str]:
        """Yield a sentence, with the option's full name, for each thing that is wrong between options."""
        yield from ()

    def besides_absent(self) -> Iterator[str]:
        """Yield a sentence for each option that says something of what is to be absent."""
        for field in sorted(self.model_fields_set - {"state"}):
            name = self.namespace
            yield f"{name}state: 'absent' goes with no other option, not with {name}{field}"

    def among(self, host: str, fleet: Fleet) -> Iterator[str]:
        """
        Yield a sentence, with the option's full name, for what clashes with other options or other hosts.

        + host: the name of the host that these options are for
        + fleet: the options of every host in the run, all of them right by themselves
        """
        yield from ()

    def adds(self, other: Options) -> Options:
        """
        Return another deploy's options with what these ask of it; most ask nothing.

        + other: the options of an earlier deploy on the same host

        What two deploys declare of one thing is still declared once, and one operation brings it about.
        """
        return other

    @model_validator(mode="after")
    def _has_no_contradictions(self) -> Self:
        if lines := list(self.contradictions()):
            raise ValueError("\n".join(lines))
        return self

    @classmethod
    def names(cls) -> list[str]:
        """Return the keys a user may write, e.g. ``["docker_version", ...]``."""
        return [cls.namespace + field for field in cls.model_fields]

    @classmethod
    def of(cls, data: Mapping[str, Any], reserved: Iterable[str] = ()) -> Self:
        """Build the options from a host's data; ``reserved`` keys belong to a connector."""
        return cls.model_validate(
            {
                key.removeprefix(cls.namespace): value
                for key, value in data.items()
                if key.startswith(cls.namespace) and key not in set(reserved)
            }
        )


# The options of every host of a run, by the host's name and by their model.
Fleet = Mapping[str, Mapping[type[Options], Options]]


def problems(
    host: str, data: Mapping[str, Any], models: Iterable[type[Options]], reserved: Iterable[str] = ()
) -> list[str]:
    """
    Return one line per mistake in a host's data.

    + host: name shown in front of each line
    + data: the merged inventory data of the host
    + models: the options of every deploy that will run on it
    + reserved: keys that pyinfra or the host's connector owns

    ``problems("web1", {"docker_verson": "26.1"}, [DockerOptions])`` returns
    ``["web1: docker_verson: unknown option; did you mean docker_version?"]``.
    """
    models, reserved = list(models), set(reserved)
    known = [name for model in models for name in model.names()]
    prefixes = tuple(model.namespace for model in models)
    lines = [
        f"{key}: {text}"
        for key, value in data.items()
        if key.startswith(prefixes) and key not in reserved
        for text in _control_characters(value)
    ]
    for model in models:
        lines += _mistakes(model, data, reserved, known)
    for key in data:
        if key not in reserved and not key.startswith(("_", *prefixes)):
            lines += [f"{key}: unknown option; did you mean {near}?" for near in _slipped(key, known)]
    return [f"{host}: {line}" for line in dict.fromkeys(map(_masked, lines))]


def _mistakes(
    model: type[Options], data: Mapping[str, Any], reserved: set[str], known: list[str]
) -> list[str]:
    """Options are looked at one by one, then, without those that are wrong by themselves, together."""
    try:
        model.of(data, reserved)
    except ValidationError as error:
        found = error.errors()
    else:
        return []
    wrong = {f"{model.namespace}{details['loc'][0]}" for details in found if details["loc"]}
    lines = [line for details in found for line in _lines(model, details, known)]
    if wrong:
        together = _mistakes(model, {k: v for k, v in data.items() if k not in wrong}, reserved, known)
        # A default that stands in for a wrong value proves nothing.
        lines += [line for line in together if not any(name in line for name in wrong)]
    return lines


def _lines(model: type[Options], details: ErrorDetails, known: list[str]) -> list[str]:
    if details["loc"] == ():
        return details["msg"].removeprefix("Value error, ").split("\n")  # contradictions name their options
    return [_line(model, details, known)]


def _line(model: type[Options], details: ErrorDetails, known: list[str]) -> str:
    field, *inner = [str(part) for part in details["loc"]]
    # pydantic's own steps into a model: function-after[...], [key]
    path = ".".join(
        [model.namespace + field, *(masked(part) for part in inner if not re.match(r"function-|\[", part))]
    )
    if details["type"] == "extra_forbidden" and not inner:
        if field in model.declined:
            return f"{path}: {model.declined[field]}"
        hint = "".join(f"; did you mean {near}?" for near in _near(path, known, HINT))
        return f"{path}: unknown option{hint}"
    if details["type"] == "missing":
        return f"{path}: {_sentence(details['msg'])}"
    got = "" if model.hidden & {field, *inner} else f" (got {_short(details['input'])})"
    return f"{path}: {_without_passwords(_sentence(details['msg']), details['input'])}{got}"


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ").replace("\n", " ")


def _short(value: object) -> str:
    text = masked(repr(value))
    return text if len(text) <= 80 else f"{text[:77]}..."


def _without_passwords(message: str, value: object) -> str:
    """A validator's message may quote the value that it is about."""
    for text in _strings(value):
        for quoted in (text, repr(text)[1:-1]):
            message = message.replace(quoted, masked(text)) if masked(text) != text else message
    return message


def _masked(line: str) -> str:
    """Words of ours stand between the URLs of a line, so that each is looked at by itself."""
    return " ".join(map(masked, line.split(" ")))


def _near(name: str, known: list[str], ratio: float) -> list[str]:
    return difflib.get_close_matches(name, known, n=1, cutoff=ratio)


def _slipped(name: str, known: list[str]) -> list[str]:
    """Return the option that a name with another beginning was meant to be; most are the user's own."""
    head, _, rest = name.partition("_")
    alike = [
        each for each in known if each.endswith(f"_{rest}") and _one_edit(head, each.removesuffix(f"_{rest}"))
    ]
    return alike or _near(name, known, SLIP)


def _one_edit(one: str, other: str) -> bool:
    """Tell whether a character was added, left out or mistaken for another."""
    start = _alike(one, other)
    end = _alike(one[start:][::-1], other[start:][::-1])
    return start + end >= max(len(one), len(other)) - 1


def _alike(one: str, other: str) -> int:
    """Return how many characters are the same from the beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _control_characters(value: object) -> Iterator[str]:
    """Yield a complaint per string leaf with a control, bidirectional or zero-width character."""
    for leaf in _strings(value):
        for position, character in enumerate(leaf):
            if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp"):
                yield f"character U+{ord(character):04X} at position {position} is not allowed"
                break


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _strings(key)
            yield from _strings(item)
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from _strings(item)
