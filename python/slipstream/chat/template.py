"""Chat templates in Jinja, as checkpoints bring them."""

import datetime
import json
from collections.abc import Mapping, Sequence

from slipstream.chat.extras import require


class ChatTemplate:
    """A template, compiled in a sandbox that can change nothing: it comes with the weights."""

    def __init__(self, source: str, special_tokens: Mapping[str, str], origin: str):
        jinja2 = require("jinja2", "a chat template")
        sandbox = require("jinja2.sandbox", "a chat template")
        environment = sandbox.ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = lambda text: datetime.datetime.now().strftime(text)
        self._errors = jinja2.TemplateError
        self._origin = origin
        self._special_tokens = dict(special_tokens)
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise ValueError(f"{origin} is no Jinja template: {error}") from error

    def __call__(self, messages: Sequence[Mapping], *, thinking: bool = False, **variables) -> str:
        """`variables` are the template's own; those of the caller win over what `thinking` sets."""
        names = {
            "add_generation_prompt": True,
            "enable_thinking": thinking,
            **self._special_tokens,
            **variables,
        }
        try:
            return self._template.render(messages=list(messages), **names)
        except self._errors as error:
            raise ValueError(f"{self._origin} cannot write these messages: {error}") from error


def _to_json(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False) -> str:
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _refuse(message: str):
    jinja2 = require("jinja2", "a chat template")
    raise jinja2.TemplateError(message)
