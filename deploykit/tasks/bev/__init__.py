"""Multi-camera bird's-eye detection on generated driving clips."""

from deploykit.tasks.bev.task import BevTask

__all__ = ["BevTask"]
