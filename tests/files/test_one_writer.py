"""Nothing in the package writes a file but by :mod:`monai_denoiseg.files`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import monai_denoiseg

ROOT = Path(monai_denoiseg.__file__).parent
DIRECT = {
    *("write_text", "write_bytes", "mkstemp", "NamedTemporaryFile", "tofile", "savetxt", "savefig"),
    *("copy2", "copyfile", "copytree", "move", "rename", "rmtree"),
}
WRITERS = {"imwrite", "savez", "savez_compressed", "TiffWriter.write"}
SAVERS = {"torch", "np", "numpy", "nibabel", "nib", "itk", "cv2"}
MODES = ("w", "a", "x", "+")


def called(node: ast.Call) -> tuple[str, str]:
    """Owner and name of what is called: ``("np", "save")``, ``("", "open")``."""
    if isinstance(node.func, ast.Attribute):
        owner = node.func.value
        return (owner.id if isinstance(owner, ast.Name) else "?"), node.func.attr
    return "", node.func.id if isinstance(node.func, ast.Name) else "?"


def is_direct(node: ast.Call, guarded: bool) -> bool:
    owner, name = called(node)
    if name == "open":
        words = [word.value for word in (*node.args, *(k.value for k in node.keywords)) if isinstance(word, ast.Constant)]
        return any(isinstance(word, str) and len(word) <= 3 and any(mode in word for mode in MODES) for word in words)
    if name == "replace":  # of a path; that of a text takes two arguments, `dataclasses.replace` keywords
        return owner != "" and len(node.args) == 1 and not node.keywords
    if name == "to_csv":  # without a place it returns a text
        return bool(node.args) or any(word.arg in ("path_or_buf", None) for word in node.keywords)
    if name in WRITERS or (name == "save" and owner in SAVERS) or (name == "dump" and owner == "json"):
        return not guarded
    return name in DIRECT and not (owner == "" and name in ("write_text", "write_bytes", "move", "rename"))


def guards(node: ast.With) -> bool:
    """Whether the block gets its path from the one writer."""
    return any(
        isinstance(item.context_expr, ast.Call) and called(item.context_expr)[1] in ("writing", "explained")
        for item in node.items
    )


def direct_writes(tree: ast.AST, guarded: bool = False) -> Iterator[ast.Call]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call) and is_direct(node, guarded):
            yield node
        yield from direct_writes(node, guarded or (isinstance(node, ast.With) and guards(node)))


def test_the_package_writes_through_files_alone() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for path in sorted(ROOT.rglob("*.py"))
        if path.parent.name != "files"
        for node in direct_writes(ast.parse(path.read_text("utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "open(path, 'w')",
        "path.open('r+b')",
        "open(path, mode='a')",
        "path.write_text('x')",
        "path.write_bytes(b'x')",
        "torch.save(x, path)",
        "np.savez_compressed(path, x)",
        "tifffile.imwrite(path, x)",
        "nibabel.save(x, path)",
        "json.dump(x, file)",
        "shutil.copytree(a, b)",
        "table.to_csv(path)",
        "table.to_csv(path_or_buf=path, index=False)",
        "table.to_csv(**options)",
        "part.replace(target)",
        "part.rename(target)",
    ],
)
def test_a_direct_write_is_found(code: str) -> None:
    assert list(direct_writes(ast.parse(f"def f():\n    {code}")))


@pytest.mark.parametrize(
    "code",
    [
        "open(path)",
        "path.open('rb')",
        "text.replace('a', 'b')",
        "replace(record, a=1)",
        "write_text(table.to_csv(index=False), path)",
        "write_text('x', path)",
        "with writing(path) as part:\n        tifffile.imwrite(part, x)",
        "image.save(stream, 'PNG')",
    ],
)
def test_reading_and_guarded_writing_pass(code: str) -> None:
    assert not list(direct_writes(ast.parse(f"def f():\n    {code}")))
