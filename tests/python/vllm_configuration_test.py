"""What of vLLM's configuration and of requests is taken over, and what is refused by name."""

import enum
from types import SimpleNamespace

import pytest
from slipstream import vllm
from slipstream.vllm.configuration import EngineSettings, adapt_configuration, kv_format
from slipstream.vllm.requests import check_request
from slipstream.vllm.serve import main, missing_flags


class Mode(enum.IntEnum):
    NONE = 0
    VLLM_COMPILE = 3


def configuration(**changes):
    """As vLLM has it for `vllm serve MODEL`; a change's name is SECTION__FIELD, or a field of the whole."""
    config = SimpleNamespace(
        model_config=SimpleNamespace(
            model="tiny",
            runner_type="generate",
            hf_config=SimpleNamespace(model_type="deepseek_v32"),
        ),
        cache_config=SimpleNamespace(cache_dtype="auto", block_size=16),
        parallel_config=SimpleNamespace(
            worker_cls="auto",
            tensor_parallel_size=1,
            pipeline_parallel_size=1,
            data_parallel_size=1,
            distributed_executor_backend=None,
        ),
        scheduler_config=SimpleNamespace(
            max_num_seqs=256, max_num_batched_tokens=2048, enable_chunked_prefill=False
        ),
        compilation_config=SimpleNamespace(mode=Mode.VLLM_COMPILE, cudagraph_capture_sizes=[1, 2]),
        speculative_config=None,
        lora_config=None,
        kv_transfer_config=None,
        additional_config={},
    )
    for name, value in changes.items():
        section, _, field = name.rpartition("__")
        setattr(getattr(config, section) if section else config, field, value)
    return config


class TestConfiguration:
    def test_the_worker_and_the_sizes_of_a_step_are_ours(self):
        config = configuration()
        adapt_configuration(config)
        assert config.parallel_config.worker_cls == "slipstream.vllm.worker.Worker"
        assert config.cache_config.block_size == 64
        scheduler = config.scheduler_config
        assert (scheduler.max_num_seqs, scheduler.max_num_batched_tokens) == (16, 16)
        assert scheduler.enable_chunked_prefill
        assert config.compilation_config.mode is Mode.NONE

    def test_smaller_steps_stay_as_the_user_wants_them(self):
        config = configuration(
            scheduler_config__max_num_seqs=4, scheduler_config__max_num_batched_tokens=8
        )
        adapt_configuration(config)
        scheduler = config.scheduler_config
        assert (scheduler.max_num_seqs, scheduler.max_num_batched_tokens) == (4, 8)

    def test_several_gpus_are_threads_of_one_worker(self):
        config = configuration(parallel_config__tensor_parallel_size=8)
        adapt_configuration(config)
        assert config.parallel_config.distributed_executor_backend == "uni"

    @pytest.mark.parametrize(
        ("changes", "complaint"),
        [
            ({"model_config__hf_config": SimpleNamespace(model_type="llama")}, "tiny is 'llama'"),
            ({"model_config__runner_type": "pooling"}, "--runner must be generate"),
            ({"speculative_config": object()}, "--speculative-config is not supported"),
            ({"lora_config": object()}, "--enable-lora is not supported"),
            ({"kv_transfer_config": object()}, "--kv-transfer-config is not supported"),
            (
                {"parallel_config__pipeline_parallel_size": 2},
                "--pipeline-parallel-size must be 1 .* is 2",
            ),
            ({"parallel_config__data_parallel_size": 2}, "--data-parallel-size must be 1 .* is 2"),
            (
                {"parallel_config__tensor_parallel_size": 16},
                "--tensor-parallel-size must be 1 to 8 .* is 16",
            ),
            (
                {"cache_config__cache_dtype": "fp8_e5m2"},
                "--kv-cache-dtype must be one of .* is fp8_e5m2",
            ),
            (
                {"additional_config": {"cache": 1}},
                "--additional-config has no cache; it may have cache_tokens",
            ),
        ],
    )
    def test_what_is_not_supported_is_named(self, changes, complaint):
        with pytest.raises(ValueError, match=complaint):
            adapt_configuration(configuration(**changes))

    def test_a_part_of_vllm_without_a_model_is_left_alone(self):
        config = configuration(model_config=None)
        adapt_configuration(config)
        assert config.cache_config.block_size == 16

    @pytest.mark.parametrize(
        ("name", "rows"), [("auto", "bf16"), ("fp8", "fp8"), ("fp8_ds_mla", "fp8")]
    )
    def test_cache_formats_have_vllm_s_names(self, name, rows):
        assert kv_format(configuration(cache_config__cache_dtype=name)) == rows

    def test_settings_of_the_engine_are_additional_configuration(self):
        config = configuration(additional_config={"cache_tokens": 640, "lora_norm_eps": 1e-6})
        assert EngineSettings.of(config) == EngineSettings(cache_tokens=640, lora_norm_eps=1e-6)


class TestPlugin:
    def test_it_answers_only_where_it_is_asked_to(self, monkeypatch):
        monkeypatch.delenv("SLIPSTREAM_VLLM", raising=False)
        monkeypatch.setenv("VLLM_PLUGINS", "another")
        assert vllm.platform_plugin() is None
        monkeypatch.setenv("VLLM_PLUGINS", "another,slipstream")
        assert vllm.platform_plugin() == "slipstream.vllm.platform.SlipstreamPlatform"
        monkeypatch.setenv("VLLM_PLUGINS", "")
        monkeypatch.setenv("SLIPSTREAM_VLLM", "1")
        assert vllm.platform_plugin() == "slipstream.vllm.platform.SlipstreamPlatform"


def request(**changes):
    return SimpleNamespace(**{"temperature": 1.0, "logprobs": None} | changes)


class TestRequests:
    def test_ordinary_ones_pass(self):
        check_request({"type": "token"}, request(logprobs=20, bad_words=[], extra_args={}))

    @pytest.mark.parametrize(
        ("inputs", "changes", "complaint"),
        [
            ({"type": "token"}, {"prompt_logprobs": 0}, "prompt_logprobs is not supported"),
            ({"type": "token"}, {"bad_words": ["no"]}, "bad_words is not supported"),
            ({"type": "token"}, {"logprobs": 21}, "logprobs must be from 0 to 20 .* is 21"),
            ({"type": "token"}, {"logprobs": -1}, "logprobs must be from 0 to 20 .* is -1"),
            ({"type": "multimodal"}, {}, "must be text or token ids, is of type multimodal"),
        ],
    )
    def test_what_the_engine_cannot_do_is_named(self, inputs, changes, complaint):
        with pytest.raises(ValueError, match=complaint):
            check_request(inputs, request(**changes))

    def test_pooling_is_refused(self):
        with pytest.raises(ValueError, match="pooling is not supported"):
            check_request({"type": "token"}, SimpleNamespace())


class TestServe:
    @pytest.fixture
    def model(self, tmp_path):
        (tmp_path / "config.json").write_text('{"model_type": "glm_moe_dsa"}')
        return str(tmp_path)

    def test_a_model_s_parsers_are_added(self, model):
        flags = [
            "--reasoning-parser",
            "glm45",
            "--tool-call-parser",
            "glm47",
            "--enable-auto-tool-choice",
        ]
        assert missing_flags([model]) == flags

    def test_the_user_s_flags_win(self, model):
        given = [model, "--reasoning-parser=mine", "--no-enable-auto-tool-choice"]
        assert missing_flags(given) == ["--tool-call-parser", "glm47"]

    def test_help_needs_no_model(self):
        assert missing_flags(["--help"]) == []

    def test_a_model_that_is_none_is_named(self, tmp_path):
        with pytest.raises(ValueError, match="MODEL must be a directory"):
            missing_flags([str(tmp_path)])

    def test_without_vllm_it_says_what_to_install(self, model, capsys, monkeypatch):
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        assert main([model]) == 2
        assert "pip install 'slipstream[vllm]'" in capsys.readouterr().err
