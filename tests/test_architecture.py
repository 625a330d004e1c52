"""The rules of the house (docs/architecture.md), read from the source: one test a rule.

What ruff and mypy hold already (types, docstrings, prints, pickles) is not held again here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "genrestore"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
LONGEST_MODULE, LONGEST_FUNCTION = 400, 60

MAY_IMPORT = {
    "errors": set(),
    "metrics": {"errors"},
    "models": set(),
    "runtime": {"errors"},
    "plotting": set(),
    "files": {"errors"},
    "weights": {"errors", "runtime", "models", "files"},
    "restore": {"errors", "runtime", "settings", "models", "weights", "plotting"},
    "study": {"errors", "runtime", "models", "weights", "plotting"},
    "settings": {"errors"},
    "train": {"errors", "metrics", "runtime", "settings", "models", "weights", "files", "study", "plotting"},
}
ROOMS_OF_FILES = {
    "codecs": set(),
    "disk": set(),
    "plan": {"codecs", "disk"},
    "work": {"codecs", "disk", "plan"},
}
LIGHT_ROOMS = ["cli", "files"]
LIGHT_FILES = [
    "__init__.py",
    "__main__.py",
    "errors.py",
    "runtime.py",
    "settings.py",
    "train/settings.py",
    "train/kinds/__init__.py",
    "weights/header.py",
    "weights/store.py",
]
HEAVY = {"torch", "torchvision", "matplotlib"}
ENDS_THE_PROCESS = {"exit", "quit", "sys.exit", "os._exit", "os.abort"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of what is imported anywhere in `tree`; `from a import b` gives a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def functions(tree: ast.AST, public: bool = True) -> Iterator[Function]:
    """Functions of the module and methods of its classes; with `public`, those that a reader may call."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef) and not (public and node.name.startswith("_")):
            yield from functions(node, public)
        elif isinstance(node, Function) and not (public and node.name.startswith("_")):
            yield node


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def arguments(function: Function) -> list[ast.arg]:
    spec = function.args
    every = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, spec.vararg, spec.kwarg]
    return [argument for argument in every if argument is not None and argument.arg not in ("self", "cls")]


def length(function: Function) -> int:
    """Lines of a function's body without the docstring, which may be as long as it has to be."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def takes_arrays(function: Function) -> bool:
    """Whether a tensor or an array stands in the signature; collections of tensors have no one shape."""
    hints = [argument.annotation for argument in arguments(function)] + [function.returns]
    plain = [ast.unparse(hint) for hint in hints if hint is not None]
    plain = [re.sub(r"(dict|Mapping|Iterable|Iterator|Callable|list)\[.*\]", "", hint) for hint in plain]
    return any(re.search(r"\b(Tensor|ndarray|NDArray)\b", hint) for hint in plain)


def states_a_shape(text: str) -> bool:
    """Whether the text has a shape such as [batch, channel, height, width], not only a range."""
    brackets = re.findall(r"\[([^\[\]]*)\]", text)
    shapes = [inside for inside in brackets if re.search(r"[A-Za-z…]", inside) or inside.count(",") > 1]
    return bool(shapes) or bool(re.search(r"\b(shape|scalar)\b", text))


def test_modules_import_only_the_rooms_above_them() -> None:
    wrong = []
    for path, tree in TREES.items():
        here = room(path)
        own = {found.split(".")[1] for found in imports(tree) if found.startswith("genrestore.")}
        below = own - {here, "__version__"} - MAY_IMPORT.get(here, own)
        wrong += [f"{name(path)} imports {one}" for one in sorted(below)]
    assert not wrong


def test_the_rooms_of_files_stand_in_one_row() -> None:
    wrong = []
    for path, tree in TREES.items():
        if room(path) == "files" and (here := path.parent.name) in ROOMS_OF_FILES:
            own = {found.split(".")[2] for found in imports(tree) if found.startswith("genrestore.files.")}
            wrong += [f"{name(path)} imports {one}" for one in sorted(own - {here} - ROOMS_OF_FILES[here])]
    assert not wrong


def test_every_room_is_in_the_table() -> None:
    assert {path.name for path in (PACKAGE / "files").iterdir() if path.is_dir()} - {"__pycache__"} == {
        *ROOMS_OF_FILES
    }
    assert {room(path) for path in SOURCES} <= {*MAY_IMPORT, "cli", "__init__", "__main__"}


def test_planning_needs_no_torch() -> None:
    """Heavy imports stand inside functions of cli, or under TYPE_CHECKING, never where a module is loaded."""
    wrong = []
    for path, tree in TREES.items():
        if room(path) in LIGHT_ROOMS or name(path) in LIGHT_FILES:
            loaded = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
            roots = {found.split(".")[0] for node in loaded for found in imports(node)}
            wrong += [f"{name(path)} loads {one}" for one in sorted(roots & HEAVY)]
    assert not wrong


def test_only_the_command_line_speaks_and_ends() -> None:
    wrong = [
        f"{name(path)}:{call.lineno} calls {ast.unparse(call.func)}"
        for path, tree in TREES.items()
        for call in calls(tree)
        if room(path) != "cli" and ast.unparse(call.func) in ENDS_THE_PROCESS
    ]
    assert not wrong


def test_every_parameter_can_be_followed() -> None:
    """No **; a command whose signature is made of settings is the one exception."""
    hidden = [
        f"{name(path)}: {node.name} takes **{node.args.kwarg.arg}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, Function) and node.args.kwarg and node.name != "generated"
    ]
    assert not hidden


def test_functions_of_tensors_state_a_shape() -> None:
    silent = [
        f"{name(path)}: {function.name}"
        for path, tree in TREES.items()
        for function in functions(tree)
        if takes_arrays(function) and not states_a_shape(ast.get_docstring(function) or "")
    ]
    assert not silent


def test_modules_are_short() -> None:
    lengths = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert not {path: lines for path, lines in lengths.items() if lines > LONGEST_MODULE}


def test_functions_are_short() -> None:
    long = [
        f"{name(path)}: {function.name} has {length(function)} lines"
        for path, tree in TREES.items()
        for function in functions(tree, public=False)
        if length(function) > LONGEST_FUNCTION
    ]
    assert not long
