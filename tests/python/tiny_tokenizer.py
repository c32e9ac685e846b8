"""A tokenizer of 512 tokens, made on the spot: special tokens, the 256 bytes, and words for the rest."""

import json
import pathlib

from slipstream.chat import deepseek_v32

VOCAB_SIZE = 512
SPECIAL = (
    deepseek_v32.BEGIN,
    deepseek_v32.END,
    deepseek_v32.USER,
    deepseek_v32.ASSISTANT,
    deepseek_v32.THINK,
    deepseek_v32.END_OF_THOUGHT,
)
FIRST_BYTE = len(SPECIAL)
# One token each, with the space before it, wherever they stand: instructions about tools are long.
WORDS = [
    "a",
    "and",
    "answer",
    "are",
    "arrays",
    "as",
    "be",
    "block",
    "booleans",
    "by",
    "can",
    "city",
    "description",
    "else",
    "enabled",
    "end",
    "enum",
    "example",
    "false",
    "following",
    "for",
    "format",
    "function",
    "function_calls",
    "function_results",
    "functions",
    "has",
    "have",
    "here",
    "if",
    "in",
    "invoke",
    "invoking",
    "is",
    "it",
    "JSON",
    "like",
    "list",
    "lists",
    "name",
    "not",
    "object",
    "objects",
    "of",
    "on",
    "or",
    "other",
    "out",
    "output",
    "outputting",
    "parameter",
    "parameters",
    "properties",
    "question",
    "reply",
    "required",
    "response",
    "result",
    "results",
    "schema",
    "scalar",
    "set",
    "should",
    "specified",
    "string",
    "strongly",
    "that",
    "the",
    "then",
    "there",
    "thinking",
    "this",
    "to",
    "tool",
    "tools",
    "true",
    "type",
    "types",
    "use",
    "user",
    "values",
    "want",
    "when",
    "with",
    "without",
    "writing",
    "you",
]
FIRST_WORD = FIRST_BYTE + 256


def byte_characters():
    """The character that stands for each byte in byte-level vocabularies: itself where it can be seen."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {
        byte: chr(256 + index) for index, byte in enumerate(hidden)
    }


def token_of_byte(byte: int) -> int:
    return FIRST_BYTE + byte


def write(directory) -> pathlib.Path:
    """Writes tokenizer.json and tokenizer_config.json; returns the former's path."""
    characters = byte_characters()
    vocab = {token: index for index, token in enumerate(SPECIAL)}
    vocab |= {characters[byte]: token_of_byte(byte) for byte in range(256)}
    words = {f" {word}": FIRST_WORD + index for index, word in enumerate(WORDS)}
    first_filler = FIRST_WORD + len(words)
    vocab |= words | {
        f"{characters[0x20]}w{index}": index for index in range(first_filler, VOCAB_SIZE)
    }
    byte_level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    added = [
        {
            "id": index,
            "content": token,
            "special": index < FIRST_BYTE,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
        }
        for token, index in [*zip(SPECIAL, range(FIRST_BYTE), strict=True), *words.items()]
    ]
    tokenizer = {
        "version": "1.0",
        "added_tokens": added,
        "pre_tokenizer": byte_level,
        "decoder": byte_level,
        "model": {"type": "BPE", "vocab": vocab, "merges": []},
    }
    path = pathlib.Path(directory) / "tokenizer.json"
    path.write_text(json.dumps(tokenizer), encoding="utf-8")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": SPECIAL[0],
        "eos_token": SPECIAL[1],
    }
    (path.parent / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return path
