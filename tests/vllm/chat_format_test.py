"""Our way of writing DeepSeek-V3.2's conversations against DeepSeek's own script, of which vLLM has a copy."""

import random

import pytest
from slipstream.chat import deepseek_v32

encoding = pytest.importorskip("vllm.tokenizers.deepseek_v32_encoding")


def conversation(generator):
    """Turns of random lengths, with and without a system turn, that end with a question."""
    words = ["", "Hello", "Grüße\n", "  two  spaces", "<b>&amp;</b>", "{x}", "世界"]

    def text():
        return " ".join(generator.choices(words, k=generator.randint(1, 4)))

    messages = [{"role": "system", "content": text()}] if generator.random() < 0.5 else []
    for _ in range(generator.randint(0, 4)):
        messages += [{"role": "user", "content": text()}, {"role": "assistant", "content": text()}]
    return [*messages, {"role": "user", "content": text()}]


@pytest.mark.parametrize("seed", range(50))
@pytest.mark.parametrize(("thinking", "mode"), [(False, "chat"), (True, "thinking")])
def test_a_conversation_is_written_as_deepseek_s_script_writes_it(seed, thinking, mode):
    messages = conversation(random.Random(seed))
    theirs = encoding.encode_messages(messages, thinking_mode=mode)
    assert deepseek_v32.encode(messages, thinking=thinking) == theirs
