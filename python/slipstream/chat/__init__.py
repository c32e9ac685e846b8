"""Text for the engine: a checkpoint's tokenizer, and its own way of writing a conversation.

    tokenizer = Tokenizer.from_checkpoint("GLM-5.2-FP8")
    prompt = tokenizer.encode(chat_format("GLM-5.2-FP8")([{"role": "user", "content": "Hello"}]))
    stream = tokenizer.stream()
    text = "".join(stream.push(token) for token in tokens) + stream.finish()

`Tokenizer` needs the package `tokenizers`, a Jinja template the package `jinja2`: both come with
`pip install slipstream[text]`. Importing this module needs neither.
"""

from slipstream.chat.formats import chat_format
from slipstream.chat.tokenizer import TextStream, Tokenizer

__all__ = ["TextStream", "Tokenizer", "chat_format"]
