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
# Those of GLM's that its template and vLLM's parsers name, its end of text where the model's config has it.
GLM_SPECIAL = (
    "[gMASK]",
    "<|endoftext|>",
    "<sop>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|observation|>",
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<arg_key>",
    "</arg_key>",
    "<arg_value>",
    "</arg_value>",
    "<tool_response>",
    "</tool_response>",
)
# One token each that is text all the same: what is left out of an answer's text are the others.
SHOWN = ("<think>", "</think>", *GLM_SPECIAL[GLM_SPECIAL.index("<tool_call>") :])
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


def byte_characters():
    """The character that stands for each byte in byte-level vocabularies: itself where it can be seen."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {
        byte: chr(256 + index) for index, byte in enumerate(hidden)
    }


def token_of_byte(byte: int, special=SPECIAL) -> int:
    return len(special) + byte


def write(directory, special=SPECIAL) -> pathlib.Path:
    """Writes tokenizer.json and tokenizer_config.json; returns the former's path."""
    characters = byte_characters()
    vocab = {token: index for index, token in enumerate(special)}
    vocab |= {characters[byte]: token_of_byte(byte, special) for byte in range(256)}
    first_word = len(vocab)
    words = {f" {word}": first_word + index for index, word in enumerate(WORDS)}
    first_filler = first_word + len(words)
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
            "special": token in special and token not in SHOWN,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
        }
        for token, index in [*zip(special, range(len(special)), strict=True), *words.items()]
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
        "bos_token": special[0],
        "eos_token": special[1],
    }
    (path.parent / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return path
