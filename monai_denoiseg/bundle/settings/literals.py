"""Text that MONAI's configurations must not read as anything but text: paths with ``#``, ``$``, ``@`` or ``%``.

MONAI evaluates text that begins with ``$``, looks up ``@key``, reads a file for ``%``, and writes ``::`` for every ``#``. Such
text is handed over as an expression that holds nothing but a string with these characters escaped.
"""

from __future__ import annotations

import ast
import re
from typing import Any

_SIGILS = {sign: f"\\x{ord(sign):02x}" for sign in "#$@%"}
_LITERAL = re.compile(r"""^\$(['"]).*\1$""", re.DOTALL)


def protect(value: Any) -> Any:
    r"""Write text so that MONAI gives it back unchanged.

    Args:
        value: text, or a list of it; anything else is returned as it is.

    >>> print(protect("plate#1"), protect("2024"))
    $'plate\x231' 2024
    """
    if isinstance(value, (list, tuple)):
        return [protect(one) for one in value]
    if not isinstance(value, str) or not any(sign in value for sign in _SIGILS):
        return value
    return "$" + "".join(_SIGILS.get(letter, letter) for letter in repr(value))


def unprotect(value: Any) -> Any:
    """Undo :func:`protect`; a value that is not protected is returned as it is.

    Args:
        value: any value of a configuration.

    >>> unprotect(protect(["$HOME", "a"])), unprotect("$torch.device('cpu')")
    (['$HOME', 'a'], "$torch.device('cpu')")
    """
    if isinstance(value, list):
        return [unprotect(one) for one in value]
    if not isinstance(value, str) or not _LITERAL.match(value):
        return value
    try:
        text = ast.literal_eval(value[1:])
    except (ValueError, SyntaxError):
        return value
    return text if isinstance(text, str) else value


def is_wiring(value: Any) -> bool:
    """Whether a value has an expression, a reference or a component in it, whose value is not known before MONAI makes it.

    Args:
        value: any value of a configuration; protected text is none of these.

    >>> is_wiring("$1 + 1"), is_wiring(["@alpha"]), is_wiring({"_target_": "Compose"}), is_wiring([1, "a"])
    (True, True, True, False)
    """
    if isinstance(value, str):
        return value.startswith(("$", "@", "%")) and unprotect(value) is value
    if isinstance(value, dict):
        return "_target_" in value or any(is_wiring(one) for one in value.values())
    return isinstance(value, (list, tuple)) and any(is_wiring(one) for one in value)
