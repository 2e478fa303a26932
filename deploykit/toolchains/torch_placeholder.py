"""An empty `torch` for tools that import it without using it for ONNX: it saves gigabytes.

Capitalised names are classes, since libraries ask `isinstance(x, torch.Tensor)`; anything else is a module
that holds the same. It decorates functions by leaving them alone; a call that would compute says that the
package is not there.
"""

from __future__ import annotations

from pathlib import Path

TEXT = '''"""A placeholder: this environment has no PyTorch, deploykit put this here in its place."""

import sys
import types

__version__ = "0.0.0"


class _Placeholder(types.ModuleType):
    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if name[:1].isupper():
            made = type(name, (), {"__module__": self.__name__})
        else:
            made = _Placeholder(self.__name__ + "." + name)
            sys.modules[made.__name__] = made
        setattr(self, name, made)
        return made

    def __call__(self, *args, **kwargs):
        if len(args) == 1 and callable(args[0]):  # as a decorator
            return args[0]
        if not args and not kwargs:  # as `@torch.no_grad()`
            return self
        raise RuntimeError(self.__name__ + " was called, but this environment has no PyTorch")


class _Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        import importlib.machinery

        if name.startswith("torch."):
            return importlib.machinery.ModuleSpec(name, _Loader)
        return None


class _Loader:
    @staticmethod
    def create_module(spec):
        return _Placeholder(spec.name)

    @staticmethod
    def exec_module(module):
        pass


sys.meta_path.append(_Finder)
sys.modules[__name__].__class__ = _Placeholder
'''


def write_torch_placeholder(site_packages: Path) -> None:
    """Put the placeholder into an environment. The folder has no metadata: pip does not take it for torch."""
    folder = site_packages / "torch"
    folder.mkdir()
    (folder / "__init__.py").write_text(TEXT, encoding="utf-8")
