"""The JSON Schema of the pipeline's YAML, from the same classes that read it."""

from __future__ import annotations

from typing import Any

from deploykit.core.codec import adapter
from deploykit.pipeline.config import NetworkCore, PipelineCore, sections
from deploykit.tasks import TASKS, task_class, task_options

REF = "#/$defs/{model}"


def pipeline_schema() -> dict[str, Any]:
    """Give the schema: the pipeline's own keys, its networks, one section a stage, and every kind of task."""
    definitions: dict[str, Any] = {}
    top = _definition(PipelineCore, definitions)
    network = _definition(NetworkCore, definitions)
    contract = definitions["InputContract"]
    contract["required"] = [name for name in contract["required"] if name != "name"]  # it is the key in `io`
    top["properties"]["networks"] = {
        "type": "object",
        "description": "Each network under its name.",
        "minProperties": 1,
        "additionalProperties": network,
    }
    top["required"] = [*top["required"], "networks"]
    for schema, scope in ((top, "pipeline"), (network, "network")):
        for section, params in sections(scope).items():
            schema["properties"][section] = _definition(params, definitions)
    top["properties"]["task"] = {"oneOf": [_task(kind, definitions) for kind in TASKS]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "deploykit pipeline",
        **top,
        "$defs": definitions,
    }


def _definition(value_type: type[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    schema = adapter(value_type).json_schema(ref_template=REF)
    definitions.update(schema.pop("$defs", {}))
    found: dict[str, Any] = definitions.pop(value_type.__name__, schema)
    found["additionalProperties"] = False
    return found


def _task(kind: str, definitions: dict[str, Any]) -> dict[str, Any]:
    schema = _definition(task_class(kind), definitions)
    options = {field.name for field in task_options(kind)}
    properties = {name: value for name, value in schema.get("properties", {}).items() if name in options}
    return {
        "type": "object",
        "description": TASKS[kind].title,
        "properties": {"kind": {"const": kind}, **properties},
        "required": ["kind", *(name for name in schema.get("required", ()) if name in options)],
        "additionalProperties": False,
    }
