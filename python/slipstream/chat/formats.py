"""Which format a checkpoint's conversations have."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from slipstream.chat import deepseek_v32
from slipstream.chat.files import read_json, read_json_if_there
from slipstream.chat.messages import check_messages
from slipstream.chat.template import ChatTemplate

ChatFormat = Callable[..., str]


def chat_format(directory: str | Path) -> ChatFormat:
    """A function of (messages, thinking=False) that writes them as the checkpoint was taught.

    The checkpoint's own Jinja template decides (chat_template.jinja, else `chat_template` in
    tokenizer_config.json); DeepSeek-V3.2 has none and is written by slipstream.chat.deepseek_v32.
    """
    write = _writer(Path(directory))

    def checked(messages: Sequence[Mapping], **options) -> str:
        check_messages(messages)
        return write(messages, **options)

    return checked


def _writer(directory: Path) -> ChatFormat:
    settings = read_json_if_there(directory / "tokenizer_config.json")
    file = directory / "chat_template.jinja"
    if file.exists():
        return ChatTemplate(file.read_text(encoding="utf-8"), _special_tokens(settings), str(file))
    if isinstance(settings.get("chat_template"), str):
        origin = f"{directory / 'tokenizer_config.json'}: chat_template"
        return ChatTemplate(settings["chat_template"], _special_tokens(settings), origin)
    model_type = read_json(directory / "config.json").get("model_type")
    if model_type == "deepseek_v32":
        return deepseek_v32.encode
    raise ValueError(
        f"{directory} must have a chat template (chat_template.jinja, or chat_template in tokenizer_config.json): "
        f"for model_type {model_type!r} no format is built in"
    )


def _special_tokens(settings: Mapping) -> dict[str, str]:
    """What templates may name: bos_token and its like, which are strings or have one in `content`."""
    tokens = {}
    for name in ("bos_token", "eos_token", "pad_token", "unk_token"):
        value = settings.get(name)
        text = value.get("content") if isinstance(value, Mapping) else value
        if isinstance(text, str):
            tokens[name] = text
    return tokens
