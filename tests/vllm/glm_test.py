"""GLM in vLLM: its chat template in Jinja, its thoughts and its tool calls, by the parsers that `slipstream serve` names."""

import json

import pytest
import tiny_checkpoint
import tiny_tokenizer
from conftest import started_server
from slipstream.chat import Tokenizer, chat_format

# vLLM reads config.json by it. Under vLLM 0.23.0 pip may leave an older one.
pytest.importorskip("transformers.models.glm_moe_dsa", reason="needs transformers 5.5.1 or newer")

SPECIAL = tiny_tokenizer.GLM_SPECIAL
CHANGES = {"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2}

# Ours, in the form that GLM-4.5 to 5 have: tools first, <|user|> and <|assistant|>, a call and its result, and a
# prompt that ends where the model thinks or, without a thought, speaks.
TEMPLATE = """\
[gMASK]<sop>
{%- if tools %}<|system|>
# Tools
{% for tool in tools %}
{{ tool | tojson(ensure_ascii=False) }}
{% endfor %}
{%- endif %}
{%- for message in messages %}
{%- if message.role == "user" %}<|user|>{{ message.content }}
{%- elif message.role == "system" %}<|system|>{{ message.content }}
{%- elif message.role == "assistant" %}<|assistant|></think>{{ message.content or "" }}
{%- for call in message.tool_calls or [] %}<tool_call>{{ call.function.name }}
{%- for key, value in call.function.arguments.items() %}<arg_key>{{ key }}</arg_key>
{%- if value is string %}<arg_value>{{ value }}</arg_value>
{%- else %}<arg_value>{{ value | tojson(ensure_ascii=False) }}</arg_value>
{%- endif %}
{%- endfor %}</tool_call>
{%- endfor %}
{%- elif message.role == "tool" %}<|observation|><tool_response>{{ message.content }}</tool_response>
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|assistant|>
{%- if enable_thinking is defined and not enable_thinking %}</think>{% else %}<think>{% endif %}
{%- endif %}
"""
QUESTION = [{"role": "user", "content": "Weather?"}]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    directory = tmp_path_factory.mktemp("glm")
    settings = [part for name, value in CHANGES.items() for part in ("--set", f"{name}={value}")]
    tiny_checkpoint.run_program("make_tiny_checkpoint", directory, "glm-5-tiny", *settings)
    checkpoint = directory / "glm-5-tiny"
    tiny_tokenizer.write(checkpoint, SPECIAL)
    (checkpoint / "chat_template.jinja").write_text(TEMPLATE)
    return checkpoint


@pytest.fixture(scope="module")
def server(checkpoint, tmp_path_factory):
    with started_server(checkpoint, tmp_path_factory.mktemp("server")) as server:
        yield server


def ask(client, options, **extra):
    return client.chat.completions.create(
        model="tiny",
        messages=QUESTION,
        extra_body={"return_token_ids": True, "ignore_eos": True, **extra},
        **options,
    )


def test_both_ways_to_the_template_write_the_same_prompt(client, checkpoint):
    """vLLM's, and that of slipstream.chat, which `slipstream generate --chat` takes."""
    answer = ask(client, {"max_tokens": 1, "temperature": 0})
    written = chat_format(checkpoint)(QUESTION, thinking=True)
    assert answer.prompt_token_ids == Tokenizer.from_checkpoint(checkpoint).encode(written)


LETTERS = [tiny_tokenizer.token_of_byte(byte, SPECIAL) for byte in b"abcdefg"]
END_OF_THOUGHT = SPECIAL.index("</think>")


def test_a_thought_is_told_from_the_answer_also_in_a_stream(client):
    allowed = {"allowed_token_ids": [*LETTERS, END_OF_THOUGHT]}
    drawn = {"max_tokens": 12, "temperature": 2}
    for seed in range(40):
        (whole,) = ask(client, drawn | {"seed": seed}, **allowed).choices
        ids = whole.token_ids
        if ids.count(END_OF_THOUGHT) == 1 and END_OF_THOUGHT in ids[2:-2]:
            break
    end = ids.index(END_OF_THOUGHT)
    thought, said = (
        "".join(chr(token - len(SPECIAL)) for token in part) for part in (ids[:end], ids[end + 1 :])
    )
    assert (whole.message.reasoning, whole.message.content) == (thought, said)
    chunks = ask(client, drawn | {"seed": seed, "stream": True}, **allowed)
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert "".join(getattr(delta, "reasoning", None) or "" for delta in deltas) == thought
    assert "".join(delta.content or "" for delta in deltas) == said


def test_a_tool_call_has_the_tool_s_schema(client):
    parameters = {
        "type": "object",
        "properties": {"city": {"enum": ["Oslo", "Rome"]}, "rain": {"type": "boolean"}},
        "required": ["city", "rain"],
        "additionalProperties": False,
    }
    function = {"name": "weather", "parameters": parameters, "strict": True}
    options = {
        "max_tokens": 120,
        "temperature": 0,
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        # The grammar allows any number of spaces between the parts of a call: this model would never stop.
        "logit_bias": {
            str(tiny_tokenizer.token_of_byte(byte, SPECIAL)): -100 for byte in b"\t\n\r "
        },
    }
    extra = {"chat_template_kwargs": {"enable_thinking": False}, "ignore_eos": False}
    (answer,) = ask(client, options, **extra).choices
    (call,) = answer.message.tool_calls
    assert answer.finish_reason != "length"
    assert call.function.name == "weather"
    found = json.loads(call.function.arguments)
    assert sorted(found) == ["city", "rain"]
    assert found["city"] in ("Oslo", "Rome")
    assert found["rain"] in (True, False)
