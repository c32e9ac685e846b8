"""`slipstream generate MODEL` with text: --prompt and --chat. Ids are the packaged program's business."""

import argparse
import sys
from collections.abc import Iterator, Sequence

from slipstream.exit_code import ExitCode

TEXT_OPTIONS = ("--prompt", "--chat")


def wants_text(arguments: Sequence[str]) -> bool:
    """Whether `slipstream ARGUMENTS` is a command for this module."""
    names = {argument.partition("=")[0] for argument in arguments}
    return arguments[:1] == ["generate"] and not names.isdisjoint(TEXT_OPTIONS)


def main(arguments: Sequence[str]) -> int:
    """`arguments` follow `slipstream generate`. The exit codes are those of the program."""
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except (ValueError, ImportError) as error:
        print(f"slipstream: {error}", file=sys.stderr)
        return ExitCode.CANNOT
    except RuntimeError as error:
        print(f"slipstream: {error}", file=sys.stderr)
        return ExitCode.DEVICE
    return ExitCode.DONE


class _Parser(argparse.ArgumentParser):
    """Ends with the program's exit code where argparse has another."""

    def error(self, message: str):
        self.print_usage(sys.stderr)
        self.exit(ExitCode.USAGE, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="slipstream generate",
        description="Continue a text, or talk to a model. Other options of `slipstream generate` take token ids.",
    )
    parser.add_argument(
        "model", metavar="MODEL", help="directory with config.json, safetensors and tokenizer.json"
    )
    parser.add_argument(
        "--prompt", metavar="TEXT", help="the text to continue; with --chat, the only question"
    )
    parser.add_argument(
        "--chat",
        action="store_true",
        help="in the model's chat format; without --prompt, questions are read line by line",
    )
    parser.add_argument(
        "--system", metavar="TEXT", help="with --chat: what the model is told first"
    )
    parser.add_argument(
        "--thinking", action="store_true", help="with --chat: the model thinks before it answers"
    )
    parser.add_argument(
        "-n", "--count", type=int, default=256, help="tokens to produce at most (default 256)"
    )
    parser.add_argument("--temperature", type=float, default=0.0, help="0 (the default): greedy")
    parser.add_argument("--top-k", type=int, default=0, help="0 (the default): no limit")
    parser.add_argument(
        "--top-p", type=float, default=1.0, help="share of probability to keep (default 1)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the random numbers (default 0)"
    )
    parser.add_argument(
        "--ignore-eos", action="store_true", help="continue after an end-of-text token"
    )
    parser.add_argument(
        "--kv", choices=("bf16", "fp8"), default="bf16", help="latent cache (default bf16)"
    )
    parser.add_argument(
        "--cache-tokens", type=int, default=8192, help="tokens of a conversation (default 8192)"
    )
    parser.add_argument(
        "--drafts",
        default=0,
        type=lambda text: text if text == "auto" else int(text),
        help="tokens that the MTP layer drafts ahead, 0 (the default) to 5, or auto: as many as pay",
    )
    parser.add_argument("--tp", type=int, default=1, help="GPUs that share every layer (default 1)")
    return parser


def _run(options: argparse.Namespace) -> None:
    from slipstream.text import Conversation, TextModel

    if options.count < 1:
        raise ValueError(f"--count must be at least 1, is {options.count}")
    sampling = {
        "temperature": options.temperature,
        "top_k": options.top_k,
        "top_p": options.top_p,
        "seed": options.seed,
    }
    with TextModel.load(
        options.model,
        kv_format=options.kv,
        cache_tokens=options.cache_tokens,
        max_sequences=1,
        drafts=options.drafts,
        ranks=options.tp,
    ) as model:
        if not options.chat:
            _print(
                model.stream(
                    options.prompt, count=options.count, ignore_eos=options.ignore_eos, **sampling
                )
            )
            return
        conversation = Conversation(
            model, system=options.system, thinking=options.thinking, **sampling
        )
        for question in _questions(options.prompt):
            _print(conversation.ask(question, count=options.count))


def _questions(prompt: str | None) -> Iterator[str]:
    if prompt is not None:
        yield prompt
        return
    while True:
        try:
            question = input("> " if sys.stdin.isatty() else "")
        except (EOFError, KeyboardInterrupt):
            return
        if question.strip():
            yield question


def _print(pieces: Iterator[str]) -> None:
    for piece in pieces:
        print(piece, end="", flush=True)
    print()
