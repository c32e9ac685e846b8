"""Text in, text out, on the emulated device; and what `slipstream generate` does with text."""

import io

import pytest
import tiny_tokenizer
from slipstream import Conversation, TextModel, generate, text_command
from slipstream.chat import Tokenizer, deepseek_v32
from tiny_checkpoint import generated_ids

QUESTION = [{"role": "user", "content": "Hi"}]


@pytest.fixture(scope="module")
def model(checkpoint):
    with TextModel.load(checkpoint, cache_tokens=512, max_sequences=4) as model:
        yield model


def text_of(checkpoint, prompt_ids, count):
    """What the packaged program says, as text."""
    tokenizer = Tokenizer.from_checkpoint(checkpoint)
    return tokenizer.decode(generated_ids(checkpoint, prompt_ids, count))


def test_a_continued_text_is_generate_s_tokens(model, checkpoint):
    ids = model.tokenizer.encode("Once")
    assert generate(model, "Once", count=4) == text_of(checkpoint, ids, 4)


def test_an_answer_is_to_the_checkpoint_s_chat_format(model, checkpoint):
    ids = model.tokenizer.encode(deepseek_v32.encode(QUESTION))
    assert "".join(model.stream(QUESTION, count=4)) == text_of(checkpoint, ids, 4)


def test_a_stream_that_is_dropped_gives_its_sequence_back(model):
    for _ in range(6):  # max_sequences is 4
        next(model.stream("Once", count=3, ignore_eos=True), None)


def test_a_stop_token_ends_the_text_and_is_no_part_of_it(model):
    ids = model.tokenizer.encode("Once")
    sequence = model.engine.create_sequence()
    first, second, third = model.engine.stream(sequence, ids, count=3)
    model.engine.free(sequence)
    assert third not in (first, second)
    before, model.stop_token_ids = model.stop_token_ids, frozenset({third})
    try:
        assert generate(model, "Once", count=9) == model.tokenizer.decode([first, second])
    finally:
        model.stop_token_ids = before


def test_end_tokens_of_generation_config_count_as_well(checkpoint):
    path = checkpoint / "generation_config.json"
    path.write_text('{"eos_token_id": [1, 400]}')
    try:
        with TextModel.load(checkpoint, cache_tokens=64) as model:
            assert model.stop_token_ids == {1, 400}
    finally:
        path.unlink()


def test_a_conversation_computes_only_what_is_new(model):
    conversation = Conversation(model)
    answer = "".join(conversation.ask("Hi", count=2))
    known = list(conversation._ids)
    asked = [
        *QUESTION,
        {"role": "assistant", "content": answer},
        {"role": "user", "content": "Why?"},
    ]
    second = "".join(conversation.ask("Why?", count=2))
    assert second == generate(model, asked, count=2)
    assert conversation.messages[:3] == asked
    assert len(known) == len(model.encode(QUESTION)) + 1


def test_what_a_model_thought_is_not_said_again(model):
    conversation = Conversation(model, thinking=True)
    (end,) = model.tokenizer.encode("</think>")
    letters = model.tokenizer.encode("ab")
    assert conversation._without_thought([letters[0], end, letters[1]]) == letters[1:]
    assert Conversation(model)._without_thought([letters[0], 1]) == letters[:1]


def test_an_empty_prompt_is_refused(model):
    with pytest.raises(ValueError, match="at least one token"):
        generate(model, "")


class TestCommand:
    def test_text_is_its_business_and_ids_are_not(self):
        assert text_command.wants_text(["generate", "m", "--prompt", "Hi"])
        assert text_command.wants_text(["generate", "m", "--chat"])
        assert not text_command.wants_text(["generate", "m", "--prompt-ids", "1,2"])
        assert not text_command.wants_text(["bench", "--chat"])

    def test_a_prompt_is_continued(self, checkpoint, model, capsys):
        assert text_command.main([str(checkpoint), "--prompt", "Once", "-n", "3"]) == 0
        assert capsys.readouterr().out == generate(model, "Once", count=3) + "\n"

    def test_questions_are_read_line_by_line(self, checkpoint, model, capsys, monkeypatch):
        monkeypatch.setattr("sys.stdin", io.StringIO("Hi\n\n"))
        assert text_command.main([str(checkpoint), "--chat", "-n", "3"]) == 0
        assert capsys.readouterr().out == generate(model, QUESTION, count=3) + "\n"

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (["--count", "0"], "--count must be at least 1, is 0"),
            (["--temperature", "-1"], "temperature must be"),
        ],
    )
    def test_wrong_options_are_named(self, checkpoint, capsys, arguments, complaint):
        assert text_command.main([str(checkpoint), "--prompt", "Once", *arguments]) == 2
        assert complaint in capsys.readouterr().err

    def test_a_model_without_a_tokenizer_is_named(self, tmp_path, capsys):
        assert text_command.main([str(tmp_path), "--prompt", "Once"]) == 2
        assert "tokenizer.json" in capsys.readouterr().err


def test_the_tiny_tokenizer_has_the_model_s_vocabulary(model):
    assert model.engine.vocab_size == tiny_tokenizer.VOCAB_SIZE
