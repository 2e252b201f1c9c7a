"""The layers, read off the syntax trees. Every rule is tried on planted violations too."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("unified", "pde", "vision")
FORBIDDEN = {
    "unified": ("pde", "vision", "unified.app", "tests"),
    "pde": ("vision", "unified.app", "tests"),
    "vision": ("pde", "unified.app", "tests"),
    "unified.app": ("tests",),
}
IMPORTERS = ("import_module", "__import__")
PICKLES = ("pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve")


def sources(root):
    """(path, tree) of every module and stub of the packages."""
    for path in sorted(path for package in PACKAGES for path in (root / package).rglob("*.py*")):
        if path.suffix in (".py", ".pyi"):
            yield path.relative_to(root), ast.parse(path.read_text(encoding="utf-8"))


def under(name, package):
    return f"{name}.".startswith(f"{package}.")


def callee(call):
    """The last name of what is called: `load` for `torch.load(...)`."""
    return getattr(call.func, "attr", getattr(call.func, "id", None))


def imports(node, package, deferred=False):
    """(absolute name, line, deferred) of all imports; deferred: in a function, or for type checkers only."""
    match node:
        case ast.Import(names=names):
            yield from ((alias.name, node.lineno, deferred) for alias in names)
        case ast.ImportFrom(module=module, names=names, level=level):
            base = absolute("." * level + (module or ""), package)
            yield from ((f"{base}.{alias.name}", node.lineno, deferred) for alias in names)
        case ast.Call(args=[ast.Constant(value=str(name)), *_]) if callee(node) in IMPORTERS:
            yield absolute(name, package), node.lineno, deferred
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            deferred = True
        case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
            deferred = True
    for child in ast.iter_child_nodes(node):
        yield from imports(child, package, deferred)


def absolute(name, package):
    bare = name.lstrip(".")
    up = len(name) - len(bare)
    return ".".join([*package[: len(package) - up + 1], *([bare] if bare else [])]) if up else name


def layering(root):
    """Imports against the layers."""
    for path, tree in sources(root):
        package = path.parent.parts
        layer = "unified.app" if package[:2] == ("unified", "app") else package[0]
        for name, line, deferred in imports(tree, package):
            if any(under(name, other) for other in FORBIDDEN[layer]):
                yield f"{path}:{line}: {layer} imports {name}"
            if layer == "unified.app" and not deferred and (under(name, "pde") or under(name, "vision")):
                yield f"{path}:{line}: imports {name} at module level"


def packages(root):
    """Packages listed but absent, present but not listed, or without an `__init__.py`."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    present = {path.parent for path, _ in sources(root)}
    yield from {".".join(folder.parts) for folder in present} ^ set(project["tool"]["setuptools"]["packages"])
    bare = [folder for folder in present if not (root / folder / "__init__.py").exists()]
    yield from (f"{folder}: no __init__.py" for folder in bare)


def init_code(root):
    """Statements of an `__init__.py` that do more than re-export."""
    for path, tree in sources(root):
        for node in tree.body if path.name == "__init__.py" else ():
            match node:
                case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
                    continue
                case ast.Assign(targets=[target]):
                    names = {name.id for name in ast.walk(target) if isinstance(name, ast.Name)}
                    if names <= {"__getattr__", "__dir__", "__all__"}:
                        continue
            yield f"{path}:{node.lineno}: {ast.unparse(node)}"


def executors(root):
    """Files that choose a level's method by the kind of an op, or call `down` and `up` over and over."""
    for path, tree in sources(root):
        if any(map(runs_ops, ast.walk(tree))):
            yield path.as_posix()


def runs_ops(node):
    match node:
        case ast.Match(cases=cases):
            parts = [part for case in cases for part in ast.walk(case.pattern)]
            return {"down", "up"} <= {part.value for part in parts if isinstance(part, ast.Constant)}
        case ast.Call(func=ast.Name(id="getattr"), args=[level, name, *_]):
            computed = isinstance(level, ast.Subscript) and not isinstance(name, ast.Constant)
            return computed or ast.unparse(name).endswith(".kind")
        case ast.For() | ast.While():
            return {"down", "up"} <= called(node)
        case ast.FunctionDef(name=name):
            loops = [loop for loop in ast.walk(node) if isinstance(loop, ast.For | ast.While)]
            again = name in called(node) or any({"down", "up"} & called(loop) for loop in loops)
            return again and {"down", "up"} <= called(node)
    return False


def called(node):
    return {callee(call) for call in ast.walk(node) if isinstance(call, ast.Call)}


def hazards(root):
    """Pickles, and handlers that catch everything."""
    for path, tree in sources(root):
        for name, line, _ in imports(tree, path.parent.parts):
            if name == "torch.load" or any(under(name, pickle) for pickle in PICKLES):
                yield f"{path}:{line}: imports {name}"
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                yield f"{path}:{node.lineno}: bare except"
            if isinstance(node, ast.Call):
                true = {key.arg for key in node.keywords if getattr(key.value, "value", None) is True}
                if ast.unparse(node.func) == "torch.load" and "weights_only" not in true:
                    yield f"{path}:{node.lineno}: torch.load without weights_only=True"
                if "allow_pickle" in true:
                    yield f"{path}:{node.lineno}: allow_pickle"


@pytest.mark.parametrize("rule", [layering, packages, init_code, hazards])
def test_rule_holds(rule):
    assert list(rule(ROOT)) == []


def test_there_is_one_executor():
    assert list(executors(ROOT)) == ["unified/multigrid.py"]


def plant(root, path, text):
    """A minimal tree that keeps every rule, and one file more."""
    files = {f"{package}/__init__.py": '"""Sound."""' for package in (*PACKAGES, "unified/app")}
    listed = "[tool.setuptools]\npackages = ['unified', 'unified.app', 'pde', 'vision']"
    for name, content in (files | {"pyproject.toml": listed, path: text}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")


VIOLATIONS = [
    (layering, "unified/a.py", "import pde"),
    (layering, "unified/a.py", "def f():\n    from vision.models import create_model"),
    (layering, "unified/a.py", "from . import app"),
    (layering, "unified/__init__.pyi", "from .app.main import main"),
    (layering, "pde/a.py", "if TYPE_CHECKING:\n    import vision.data"),
    (layering, "pde/a.py", "import unified.app.main"),
    (layering, "vision/a.py", "from unified import app"),
    (layering, "vision/a.py", "import importlib\nimportlib.import_module('pde.solve')"),
    (layering, "vision/a.py", "from tests.reference import dense"),
    (layering, "unified/app/a.py", "from pde import solve"),
    (layering, "unified/app/a.py", "class C:\n    import vision"),
    (packages, "pde/kernels/__init__.py", ""),
    (packages, "pde/kernels/fused.py", ""),
    (init_code, "pde/__init__.py", "rtol = 1e-8"),
    (init_code, "vision/__init__.py", "def mgnet(): ..."),
    (executors, "pde/a.py", "match kind:\n    case 'down':\n        pass\n    case 'up':\n        pass"),
    (executors, "pde/a.py", "for op in ops: s = getattr(levels[op.level], op.kind)(s)"),
    (executors, "pde/a.py", "for kind, i in ops: s = getattr(levels[i], kind)(s)"),
    (executors, "vision/a.py", "def f(l):\n    for a in l: a.down(s)\n    for a in l: a.up(s)"),
    (executors, "vision/a.py", "def cycle(l):\n    l[0].down(s)\n    cycle(l[1:])\n    l[0].up(s)"),
    (hazards, "vision/a.py", "def f():\n    import pickle"),
    (hazards, "vision/a.py", "torch.load(path)"),
    (hazards, "vision/a.py", "torch.load(path, weights_only=False)"),
    (hazards, "vision/a.py", "from torch import load"),
    (hazards, "vision/a.py", "np.load(path, allow_pickle=True)"),
    (hazards, "vision/a.py", "try:\n    f()\nexcept:\n    pass"),
]

SOUND = [
    (layering, "unified/app/a.py", "def main():\n    import pde, vision\n    from .b import report"),
    (layering, "unified/app/a.py", "if TYPE_CHECKING:\n    from pde import Problem"),
    (layering, "pde/a.py", "import unified\nfrom .operators import Stencil\nfrom unified.apparatus import x"),
    (packages, "pde/a.py", ""),
    (init_code, "pde/__init__.py", "import lazy\n__getattr__, __dir__, __all__ = lazy.attach_stub()"),
    (executors, "unified/a.py", "def draw(ops):\n    return [{'down': 1}.get(op.kind) for op in ops]"),
    (executors, "unified/a.py", "for kind in kinds: check(getattr(level, kind), level.down(s))"),
    (executors, "pde/a.py", "def down(s): ...\ndef up(s): ...\nup(down(s))"),
    (hazards, "vision/a.py", "torch.load(path, weights_only=True)\ntry:\n    f()\nexcept OSError:\n    pass"),
]


@pytest.mark.parametrize(("rule", "path", "text"), VIOLATIONS)
def test_rule_finds_a_violation(tmp_path, rule, path, text):
    plant(tmp_path, path, text)
    assert list(rule(tmp_path))


@pytest.mark.parametrize(("rule", "path", "text"), SOUND)
def test_rule_lets_sound_code_pass(tmp_path, rule, path, text):
    plant(tmp_path, path, text)
    assert list(rule(tmp_path)) == []
