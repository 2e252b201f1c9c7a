"""What the packages promise to an importer."""

import ast
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Every submodule first, then the public names: the order in which a submodule would take a function's place.
RESOLVE = """
import importlib, pkgutil, sys, types
package, *names = sys.argv[1:]
package = importlib.import_module(package)
for module in pkgutil.iter_modules(package.__path__):
    importlib.import_module(f"{package.__name__}.{module.name}")
print(*(name for name in names if isinstance(getattr(package, name, None), (types.ModuleType, type(None)))))
"""


def python(*arguments, cwd=ROOT):
    """What a fresh interpreter prints."""
    command = [sys.executable, "-c", *arguments]
    process = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
    return process.stdout


def public_names(package, root=ROOT):
    """The names of the package's stub."""
    stub = ast.parse((root / package / "__init__.pyi").read_text(encoding="utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom) and node.module]
    return [alias.asname or alias.name for node in imports for alias in node.names]


def unresolved(package, root=ROOT):
    """Public names that are missing, or are a submodule."""
    return python(RESOLVE, package, *public_names(package, root), cwd=root).split()


@pytest.mark.parametrize("package", ["unified", "pde", "vision"])
def test_public_names_resolve(package):
    assert public_names(package)
    assert unresolved(package) == []


def test_a_missing_name_and_a_shadowed_function_are_found(tmp_path):
    lazy = "import lazy_loader\n__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)"
    files = {
        "__init__.py": lazy,
        "__init__.pyi": "from .solve import absent, result, solver",
        "solve.py": "def solver(): ...\ndef result(): ...",
        "solver.py": "",
    }
    (tmp_path / "planted").mkdir()
    for name, text in files.items():
        (tmp_path / "planted" / name).write_text(text, encoding="utf-8")
    assert unresolved("planted", tmp_path) == ["absent", "solver"]


def test_the_command_is_imported_without_torch_or_a_backend():
    modules = python("import sys, unified.app.main; print(*sys.modules)").split()
    assert "unified.app.main" in modules
    assert not {"torch", "pde", "vision"} & set(modules)


def test_the_entry_point_can_be_called():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert callable(pkgutil.resolve_name(project["scripts"]["vcycle"]))
