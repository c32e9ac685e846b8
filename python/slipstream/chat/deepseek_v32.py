"""The conversation format of DeepSeek-V3.2, whose checkpoint has no Jinja template.

One string, without line breaks between its parts:

    <begin> SYSTEM <User> QUESTION <Assistant> </think> ANSWER <end> <User> QUESTION <Assistant> </think>

In thinking mode the last question is followed by <think>, which the model closes itself; what it
thought about an earlier question is not repeated. Tools are not written: a server does that, with
the parser that reads the calls.
"""

from collections.abc import Mapping, Sequence

BEGIN = "<｜begin▁of▁sentence｜>"
END = "<｜end▁of▁sentence｜>"
USER = "<｜User｜>"
ASSISTANT = "<｜Assistant｜>"
THINK = "<think>"
END_OF_THOUGHT = "</think>"


def encode(messages: Sequence[Mapping], *, thinking: bool = False) -> str:
    """The prompt for the answer to the last message, which must be the user's."""
    _check(messages)
    last = len(messages) - 1
    parts = [BEGIN]
    for index, message in enumerate(messages):
        role, content = message["role"], message.get("content") or ""
        if role == "system":
            parts.append(content)
        elif role == "user":
            opens_thought = thinking and index == last
            parts += [USER, content, ASSISTANT, THINK if opens_thought else END_OF_THOUGHT]
        else:
            parts += [content, END]
    return "".join(parts)


def _check(messages: Sequence[Mapping]) -> None:
    for index, message in enumerate(messages):
        name = f"messages[{index}]"
        if message["role"] == "tool" or message.get("tool_calls") or message.get("tools"):
            raise ValueError(
                f"{name} has to do with tools, which this format does not write here: `slipstream serve` does"
            )
        if message["role"] == "assistant" and (index == 0 or messages[index - 1]["role"] != "user"):
            raise ValueError(f"{name} is an answer and must follow a message of the user")
    if messages[-1]["role"] != "user":
        raise ValueError(
            f"the last message must be the user's, is of role {messages[-1]['role']!r}"
        )
