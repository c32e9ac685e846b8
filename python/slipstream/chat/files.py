"""JSON files of a checkpoint directory."""

import json
from pathlib import Path


def read_json(path: Path) -> dict:
    """The object in `path`. A file that is no JSON object is a ValueError that names it."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} must be a JSON file: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path} must hold a JSON object, holds {type(value).__name__}")
    return value


def read_json_if_there(path: Path) -> dict:
    return read_json(path) if path.exists() else {}
