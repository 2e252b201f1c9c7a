"""One file over HTTP: resumed where it stopped, checked, and in its place whole or not at all.

What has arrived stays in FILE.part, whatever ends the process; the next call asks for the rest (RFC 9110, section 14)
and starts again where the server sends everything. Only a file with the right checksum gets the name FILE.
"""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from tqdm import tqdm

from unified.errors import ArgumentError, DataError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

ATTEMPTS = 4  # without a single byte, one after the other
PAUSE = 1.0  # seconds before the second attempt, doubled before each further one
TIMEOUT = 30.0  # seconds without a byte
_CHUNK = 1 << 18


class _InterruptedError(Exception):
    """The connection failed; another attempt may do."""


class _RefusedError(Exception):
    """The server's answer is no use; another attempt would not do."""


class _Response(Protocol):
    status: int
    headers: HTTPMessage

    def read(self, amount: int) -> bytes: ...


def fetch(url: str, path: str | Path, *, md5: str, progress: bool = False) -> Path:
    """Download `url` to `path`, unless the file is there; processes that want the same file wait for one of them.

    Raises ArgumentError for an address that is not HTTP, DataError with what to do by hand for everything else: no
    network, no such file, a web page instead, a wrong checksum, a folder that cannot be written to.
    """
    path = Path(path)
    if urlsplit(url).scheme not in ("http", "https"):
        raise ArgumentError("url", got=repr(url), expected="an http:// or https:// address", do="correct the address")
    if path.exists():
        return path
    by_hand = f"fetch {url} by hand (MD5 {md5}), put it at {path} and call again, or use a mirror's address"
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "a+b") as file:
            _lock(file)
            if path.exists():  # another process was faster
                part.unlink(missing_ok=True)
                return path
            _complete(url, file, md5, progress)
            file.flush()
            os.fsync(file.fileno())
            if fcntl is None:
                file.close()  # Windows does not rename an open file
            os.replace(part, path)
    except (_InterruptedError, _RefusedError) as error:
        raise DataError(url, got=str(error), expected=f"the file with MD5 {md5}", do=by_hand) from error
    except OSError as error:
        raise DataError(
            str(path),
            got=error.strerror or str(error),
            expected="a folder to write to, with space for the file",
            do=f"free space or use another folder; or {by_hand}",
        ) from error
    return path


def _lock(file: BinaryIO) -> None:
    """Wait until no other process writes this file; the lock goes with its process."""
    if fcntl is not None:
        with suppress(OSError):  # some network file systems have no locks
            fcntl.flock(file, fcntl.LOCK_EX)


def _complete(url: str, file: BinaryIO, md5: str, progress: bool) -> None:
    """Fill `file` until its checksum is `md5`."""
    ours = file.seek(0, os.SEEK_END) == 0  # all of it from this call: then a wrong checksum is the server's
    failures = 0
    while True:
        before = file.seek(0, os.SEEK_END)
        try:
            _receive(url, file, progress)
        except _InterruptedError as error:
            failures = 1 if file.seek(0, os.SEEK_END) > before else failures + 1
            if failures >= ATTEMPTS:
                raise _InterruptedError(f"{error}, {failures} times; {before:,} bytes are kept") from error
            time.sleep(PAUSE * 2 ** (failures - 1))
            continue
        file.seek(0)
        got = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()  # type: ignore[arg-type]
        if got == md5:
            return
        size = file.tell()
        file.truncate(0)
        if ours:
            raise _RefusedError(f"{size:,} bytes with MD5 {got}")
        ours = True  # the kept part was another file's


def _receive(url: str, file: BinaryIO, progress: bool) -> None:
    """Append to `file` what it lacks, or write it anew if the server sends everything."""
    have = file.seek(0, os.SEEK_END)
    request = Request(url, headers={"User-Agent": "vcycle"} | ({"Range": f"bytes={have}-"} if have else {}))
    try:
        response = urlopen(request, timeout=TIMEOUT)
    except HTTPError as error:
        error.close()
        if error.code == 416:  # nothing is lacking, or the part is another file's: the checksum tells
            return
        answer = f"HTTP {error.code} {error.reason}"
        raise (_InterruptedError if error.code in (408, 429) or error.code >= 500 else _RefusedError)(answer) from error
    except (OSError, HTTPException) as error:
        raise _InterruptedError(f"no connection ({getattr(error, 'reason', error) or type(error).__name__})") from error
    with response:
        start = _start(response)
        chunk = _read(response)
        page = response.headers.get_content_type() == "text/html" or (start == 0 and chunk.lstrip()[:1] == b"<")
        if page:
            raise _RefusedError("a web page instead of the file")
        if start not in (0, have):
            file.truncate(0)
            raise _InterruptedError(f"an answer from byte {start:,} instead of {have:,}")
        file.truncate(start)
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else None
        with tqdm(
            total=total,
            initial=start,
            desc=Path(urlsplit(url).path).name,
            unit="B",
            unit_scale=True,
            disable=not progress,
        ) as bar:
            while chunk:
                file.write(chunk)
                start += len(chunk)
                bar.update(len(chunk))
                chunk = _read(response)
        if total is not None and start < total:
            raise _InterruptedError(f"the connection ended after {start:,} of {total:,} bytes")


def _start(response: _Response) -> int:
    """The position of the answer's first byte in the file."""
    if response.status != 206:
        return 0
    first = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdecimal() else -1


def _read(response: _Response) -> bytes:
    try:
        return response.read(_CHUNK)
    except (OSError, HTTPException) as error:
        raise _InterruptedError(f"the connection broke ({error or type(error).__name__})") from error
