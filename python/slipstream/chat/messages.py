"""What a conversation must look like before it is written in any format."""

from collections.abc import Mapping, Sequence

ROLES = ("system", "user", "assistant", "tool")


def check_messages(messages: Sequence[Mapping]) -> None:
    """Throws a ValueError that names the message."""
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Sequence):
        raise ValueError(f"messages must be a list of messages, is {type(messages).__name__}")
    if not messages:
        raise ValueError("messages must hold at least one message, is empty")
    for index, message in enumerate(messages):
        name = f"messages[{index}]"
        if not isinstance(message, Mapping):
            raise ValueError(
                f"{name} must be a dictionary with role and content, is {type(message).__name__}"
            )
        role = message.get("role")
        if role not in ROLES:
            raise ValueError(f"{name}['role'] must be one of {', '.join(ROLES)}, is {role!r}")
        content = message.get("content")
        if not isinstance(content, str) and not (content is None and role == "assistant"):
            raise ValueError(f"{name}['content'] must be a string, is {type(content).__name__}")
