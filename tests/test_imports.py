"""The house's one rule: imports go in one direction, and the page does not wait for torch."""

import ast
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "lightning_demo"
FOUNDATION = {
    "__version__",
    "errors",
    "settings",
    "schemas",
    "images",
    "comfyui",
    "interpreter",
    "late_parser",
    "paths",
    "ports",
    "private",
    "reachable",
    "styles",
    "surroundings",
    "tasks",
    "tls",
    "weighting",
    "xmp",
}
DOOR = PACKAGE / "model" / "hub"  # the only room that knows the Hub's client
# A room may import itself and the rooms listed; commands (generate, doctor, ...) may import all.
ALLOWED = {
    "model": FOUNDATION,
    "engine": FOUNDATION | {"model"},
    "studio": FOUNDATION | {"engine"},
    "web": FOUNDATION | {"model", "engine", "studio"},
    "miniature": FOUNDATION | {"model", "engine"},
    "bench": FOUNDATION | {"model", "engine", "studio", "web", "miniature"},
    "talk": FOUNDATION | {"model", "bench", "doctor_versions"},  # a command in a folder
}


# Inside `model`: what each room may import.
MODEL_ROOMS = {
    "hub": set(),
    "compile": {"host_memory"},
    "weights": {"hub", "compile", "host_memory"},
    "sampling": {"compile", "weights", "loading", "device", "device_errors", "token_chunks"},
}
# A single file is converted when its files are first looked for.
EXCEPT = {("model/hub/files.py", "weights.single_file")}


def imported_modules(file: Path) -> set[tuple[str, ...]]:
    """What a file imports below lightning_demo, wherever in it."""
    package = list(file.relative_to(PACKAGE.parent).parent.parts)
    modules = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = base + (node.module.split(".") if node.module else [])
            names = [module + [alias.name] for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        else:
            continue
        modules |= {tuple(name[1:]) for name in names if name[0] == "lightning_demo"}
    return modules - {()}


def imported_rooms(file: Path) -> set[str]:
    """The rooms of lightning_demo that a file imports."""
    return {name[0] for name in imported_modules(file)}


def test_imports_go_one_way():
    wrong = []
    for file in sorted(PACKAGE.rglob("*.py")):
        room = file.relative_to(PACKAGE).parts[0]
        if room in ALLOWED:
            extra = imported_rooms(file) - ALLOWED[room] - {room}
            wrong += [f"{file.relative_to(PACKAGE)} imports {name}" for name in sorted(extra)]
        elif room.removesuffix(".py") in FOUNDATION:
            extra = imported_rooms(file) - FOUNDATION
            wrong += [f"{room} imports {name}" for name in sorted(extra)]
    assert wrong == []


def test_the_rooms_of_the_model_import_one_way():
    wrong = []
    for room, allowed in MODEL_ROOMS.items():
        for file in sorted((PACKAGE / "model" / room).glob("*.py")):
            names = {name[1:] for name in imported_modules(file) if name[0] == "model" and name[1:]}
            for name in sorted(names):
                known = name[0] in allowed | {room}
                path = file.relative_to(PACKAGE).as_posix()
                if not known and (path, ".".join(name[:2])) not in EXCEPT:
                    wrong.append(f"{path} imports {'.'.join(name)}")
    assert wrong == []


def test_the_page_never_imports_torch():
    """In one process, one module after another: the first that leads to torch is named.

    Nor does anybody wait while Gradio looks after its stubs.
    """
    code = (
        "import importlib, os, sys\n"
        "stubs = []\n"
        "def note(event, about):\n"
        "    if event == 'open' and str(about[0]).endswith('.pyi'):\n"
        "        stubs.append(about[0])\n"
        "sys.addaudithook(note)\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module('lightning_demo.' + name)\n"
        "    assert 'torch' not in sys.modules, name\n"
        "assert os.environ['GRADIO_ANALYTICS_ENABLED'] == 'False', 'Gradio would call home'\n"
        "assert 'gradio' in sys.modules and not stubs, stubs"
    )
    modules = (
        "cli commands.serve model.weights.checkpoints engine.session engine.cached"
        " engine.metrics engine.build engine.fallbacks engine.ray.engine"
        " engine.ray.rollout web.replica web.server web.gradio_events"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code, *modules.split()], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_only_one_door_leads_to_the_network():
    """No other file may fetch anything; none at all loads a pickle."""
    for file in sorted(PACKAGE.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if DOOR not in file.parents:
            assert "huggingface_hub" not in text, file
        assert "torch.load(" not in text or "weights_only=True" in text, file
        assert "import pickle" not in text, file
