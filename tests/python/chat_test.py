"""Conversations as prompts, and tokens as text."""

import json

import pytest
import tiny_tokenizer
from slipstream.chat import Tokenizer, chat_format, deepseek_v32

QUESTION = {"role": "user", "content": "Hello"}
ANSWER = {"role": "assistant", "content": "Hi"}


def user_turn(text, after):
    return f"<｜User｜>{text}<｜Assistant｜>{after}"


class TestDeepSeekV32:
    def test_a_question_opens_an_answer_that_does_not_think(self):
        expected = "<｜begin▁of▁sentence｜>" + user_turn("Hello", "</think>")
        assert deepseek_v32.encode([QUESTION]) == expected

    def test_thinking_opens_a_thought(self):
        expected = "<｜begin▁of▁sentence｜>" + user_turn("Hello", "<think>")
        assert deepseek_v32.encode([QUESTION], thinking=True) == expected

    def test_only_the_last_question_opens_a_thought(self):
        messages = [
            {"role": "system", "content": "Be brief."},
            QUESTION,
            ANSWER,
            {"role": "user", "content": "Why?"},
        ]
        expected = (
            "<｜begin▁of▁sentence｜>Be brief."
            + user_turn("Hello", "</think>Hi<｜end▁of▁sentence｜>")
            + user_turn("Why?", "<think>")
        )
        assert deepseek_v32.encode(messages, thinking=True) == expected

    def test_tools_are_refused_by_name(self):
        call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f"}}]}
        with pytest.raises(ValueError, match=r"messages\[1\] has to do with tools"):
            deepseek_v32.encode([QUESTION, call, QUESTION])

    def test_the_last_message_must_be_a_question(self):
        with pytest.raises(ValueError, match="the last message must be the user's"):
            deepseek_v32.encode([QUESTION, ANSWER])

    def test_an_answer_must_follow_a_question(self):
        with pytest.raises(ValueError, match=r"messages\[0\] is an answer"):
            deepseek_v32.encode([ANSWER, QUESTION])


class TestChatFormat:
    def test_deepseek_v32_needs_no_template(self, tmp_path):
        (tmp_path / "config.json").write_text('{"model_type": "deepseek_v32"}')
        assert chat_format(tmp_path)([QUESTION]) == deepseek_v32.encode([QUESTION])

    def test_a_template_of_the_checkpoint_decides(self, tmp_path):
        (tmp_path / "config.json").write_text('{"model_type": "deepseek_v32"}')
        (tmp_path / "chat_template.jinja").write_text(
            "[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}\n"
            "{%- if add_generation_prompt %}<|assistant|>{{ '' if enable_thinking else '</think>' }}{% endif %}"
        )
        write = chat_format(tmp_path)
        assert write([QUESTION]) == "[gMASK]<sop><|user|>Hello<|assistant|></think>"
        assert write([QUESTION], thinking=True) == "[gMASK]<sop><|user|>Hello<|assistant|>"

    def test_a_template_in_the_tokenizer_s_settings_has_its_special_tokens(self, tmp_path):
        settings = {
            "bos_token": {"content": "<s>"},
            "chat_template": "{{ bos_token }}{{ messages[0].content | tojson }}",
        }
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
        assert chat_format(tmp_path)([{"role": "user", "content": "é"}]) == '<s>"é"'

    def test_a_template_that_refuses_says_why(self, tmp_path):
        (tmp_path / "chat_template.jinja").write_text("{{ raise_exception('no system turn') }}")
        with pytest.raises(ValueError, match="no system turn"):
            chat_format(tmp_path)([QUESTION])

    def test_a_template_cannot_reach_out_of_its_sandbox(self, tmp_path):
        (tmp_path / "chat_template.jinja").write_text(
            "{{ ''.__class__.__mro__[1].__subclasses__() }}"
        )
        with pytest.raises(ValueError, match="unsafe"):
            chat_format(tmp_path)([QUESTION])

    def test_a_model_without_any_format_is_named(self, tmp_path):
        (tmp_path / "config.json").write_text('{"model_type": "glm_moe_dsa"}')
        with pytest.raises(ValueError, match="glm_moe_dsa"):
            chat_format(tmp_path)

    @pytest.mark.parametrize(
        ("messages", "complaint"),
        [
            ("Hello", "must be a list of messages, is str"),
            ([], "at least one message"),
            (["Hello"], r"messages\[0\] must be a dictionary"),
            ([{"role": "robot", "content": ""}], r"messages\[0\]\['role'\] must be one of"),
            (
                [{"role": "user", "content": None}],
                r"messages\[0\]\['content'\] must be a string, is NoneType",
            ),
        ],
    )
    def test_wrong_messages_are_named(self, tmp_path, messages, complaint):
        (tmp_path / "config.json").write_text('{"model_type": "deepseek_v32"}')
        with pytest.raises(ValueError, match=complaint):
            chat_format(tmp_path)(messages)


class TestTokenizer:
    @pytest.fixture
    def tokenizer(self, tmp_path):
        return Tokenizer(tiny_tokenizer.write(tmp_path))

    def test_special_tokens_of_a_prompt_are_one_id_each(self, tokenizer):
        ids = tokenizer.encode(deepseek_v32.encode([{"role": "user", "content": "A"}]))
        assert ids == [0, 2, tiny_tokenizer.token_of_byte(0x41), 3, 5]

    def test_text_comes_back(self, tokenizer):
        text = "Grüße, 世界 🌍!\n"
        assert tokenizer.decode(tokenizer.encode(text)) == text

    def test_a_stream_holds_half_a_character_back(self, tokenizer):
        stream = tokenizer.stream()
        pieces = [stream.push(token) for token in tokenizer.encode("a€b")]
        assert pieces == ["a", "", "", "€", "b"]
        assert stream.finish() == ""

    def test_a_stream_ends_with_what_never_became_a_character(self, tokenizer):
        stream = tokenizer.stream()
        first, *_ = tokenizer.encode("€")
        assert stream.push(first) == ""
        assert stream.finish() == "\N{REPLACEMENT CHARACTER}"

    def test_broken_bytes_do_not_hold_back_what_follows(self, tokenizer):
        stream = tokenizer.stream()
        lone = tiny_tokenizer.token_of_byte(0xE2)
        assert stream.push(lone) == ""
        assert stream.push(tiny_tokenizer.token_of_byte(0x41)) == "\N{REPLACEMENT CHARACTER}A"

    def test_a_stream_is_the_text_of_all_tokens(self, tokenizer):
        ids = [index * 7 % tiny_tokenizer.VOCAB_SIZE for index in range(400)]
        stream = tokenizer.stream()
        streamed = "".join(stream.push(token) for token in ids) + stream.finish()
        assert streamed == tokenizer.decode(ids)

    def test_special_tokens_are_no_text(self, tokenizer):
        stream = tokenizer.stream()
        assert [stream.push(0), stream.push(tiny_tokenizer.token_of_byte(0x41))] == ["", "A"]

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(
            ValueError, match=r"tokenizer\.json must be a tokenizer\.json, is not there"
        ):
            Tokenizer.from_checkpoint(tmp_path)

    def test_a_file_that_is_no_tokenizer_is_named(self, tmp_path):
        (tmp_path / "tokenizer.json").write_text("{}")
        with pytest.raises(ValueError, match=r"tokenizer\.json is no tokenizer"):
            Tokenizer.from_checkpoint(tmp_path)
