"""`deploykit schema`: what editors check a pipeline's YAML against."""

from __future__ import annotations

import json

import click


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of the pipeline YAML.

    An editor takes it from a first line such as `# yaml-language-server: $schema=deploykit.schema.json`.
    """
    from deploykit.pipeline.schema import pipeline_schema

    print(json.dumps(pipeline_schema(), indent=2))
