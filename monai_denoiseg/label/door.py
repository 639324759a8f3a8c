"""The front door of the server: who may come in, by the address they call, the page they come from and the token they bring."""

from __future__ import annotations

import hmac
import ipaddress
import os
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from monai_denoiseg.files import remove
from monai_denoiseg.label.addresses import RefusedError
from monai_denoiseg.label.request_checks import Message, Receive, Send, answer, header, read_body, refused

TOKEN = "MONAI_DENOISEG_LABEL_TOKEN"
"""Environment variable of the token, for the server and for the processes it starts."""

OPEN = ("/auth", "/auth/", "/auth/token")
"""Addresses of the sign-in, which are answered without a token."""

LARGEST_FORM = 10_000


class FrontDoor:
    """ASGI middleware that lets in whom the owner of the server expects.

    A request must call the server by an address of its own (else a web page could reach it under a name of the page's, which is
    called DNS rebinding), must not come from a page of another origin, and must bring the token if there is one. The sign-in of
    MONAI Label's clients (3D Slicer, QuPath) is answered here: any user name, and the token as password.

    Args:
        app: the application behind it.
        token: what a request must bring; None: nothing.
        host: what the server listens on.
        origins: origins of web pages that may use the server besides its own, such as ``"http://127.0.0.1:3000"``.
        temporary: folder of temporary files to keep tidy: what a request leaves there is removed.
    """

    def __init__(
        self,
        app: Any,
        token: str | None = None,
        host: str = "127.0.0.1",
        origins: Sequence[str] = (),
        temporary: str | os.PathLike | None = None,
    ) -> None:
        self.app, self.token = app, token
        self.names = {"localhost", host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}
        self.origins = {origin.rstrip("/").lower() for origin in origins}
        self.temporary = None if temporary is None else Path(temporary)
        self.running = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            self._check_caller(scope)
            if scope["path"] in (*OPEN, "/auth/token/valid") and self.token is not None:
                await self._sign_in(scope, receive, send)
                return
        except RefusedError as error:
            wanted = ((b"www-authenticate", b"Bearer"),) if error.status == 401 else ()
            await refused(send, scope, error.status, error.detail, wanted)
            return
        await self._pass_on(scope, receive, send)

    def _check_caller(self, scope: Message) -> None:
        host, origin = header(scope, b"host"), header(scope, b"origin")
        if not self.is_own(host):
            raise RefusedError(421, f"this server is not called {host[:100]!r}; call it by its address")
        if origin and not self.is_welcome(origin, host):
            raise RefusedError(403, f"pages of {origin[:100]!r} may not use this server; --origin allows one")
        if self.token is not None and scope["path"] not in OPEN and scope["method"] != "OPTIONS" and not self.knows(scope):
            raise RefusedError(401, "a token is needed: send the header 'Authorization: Bearer TOKEN'")

    def is_own(self, host: str) -> bool:
        """Whether a name is one of the server's: an IP address, or a name of the machine.

        Args:
            host: header of a request, with or without a port; a client of HTTP/1.0 sends none.

        >>> door = FrontDoor(None)
        >>> door.is_own("127.0.0.1:8000"), door.is_own("[::1]:8000"), door.is_own("localhost"), door.is_own("evil.example:8000")
        (True, True, True, False)
        """
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        if not host or name in self.names:
            return True
        try:
            return bool(ipaddress.ip_address(name))
        except ValueError:
            return False

    def is_welcome(self, origin: str, host: str) -> bool:
        """Whether a web page may use the server: one the server itself gave, or of an origin that is allowed.

        Args:
            origin: header of a request.
            host: the other one.

        >>> door = FrontDoor(None, origins=["http://127.0.0.1:3000/"])
        >>> [door.is_welcome(o, "127.0.0.1:8000") for o in ("http://127.0.0.1:8000", "http://127.0.0.1:3000", "null", "http://a.b")]
        [True, True, False, False]
        """
        return origin.lower() in self.origins or origin.lower() in (f"http://{host}".lower(), f"https://{host}".lower())

    def knows(self, scope: Message) -> bool:
        """Whether a request brings the token; the comparison takes as long for a wrong one.

        Args:
            scope: of the request.
        """
        kind, _, given = header(scope, b"authorization").partition(" ")
        return kind.lower() == "bearer" and same(given.strip(), self.token or "")

    async def _sign_in(self, scope: Message, receive: Receive, send: Send) -> None:
        """What MONAI Label's clients ask where a server wants a sign-in."""
        if scope["path"] == "/auth/token/valid":
            await answer(send, 200, {"username": "annotator", "roles": []})
        elif scope["path"] != "/auth/token":
            await answer(send, 200, {"enabled": True, "client_id": "monai-denoiseg", "realm": ""})
        elif scope["method"] != "POST":
            raise RefusedError(405, "post user name and password")
        else:
            with tempfile.SpooledTemporaryFile(LARGEST_FORM) as body:
                await read_body(scope, receive, body, LARGEST_FORM)
                fields = parse_qs(body.read().decode("latin-1"))
            if not same(fields.get("password", [""])[-1], self.token or ""):
                raise RefusedError(401, "this is not the token the server was started with; any user name will do")
            await answer(send, 200, {"access_token": self.token, "token_type": "Bearer"})

    async def _pass_on(self, scope: Message, receive: Receive, send: Send) -> None:
        """Call the application, and remove what it leaves: files it received where it fails, the archive of a data set."""
        alone = self.running == 0
        before = self._files()
        self.running += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.running -= 1
            if alone and self.running == 0:
                for path in self._files() - before:
                    remove(path)

    def _files(self) -> set[Path]:
        return set(self.temporary.iterdir()) if self.temporary is not None else set()


def same(given: str, wanted: str) -> bool:
    """Whether two texts are the same, in a time that does not tell how much of them is.

    Args:
        given: from outside.
        wanted: the secret.

    >>> same("a", "a"), same("a", "b")
    (True, False)
    """
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), wanted.encode("utf-8", "surrogatepass"))
