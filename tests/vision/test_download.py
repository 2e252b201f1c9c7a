"""Downloads from a server of our own: whole and checked, or resumed, or refused with what to do."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from unified.errors import ArgumentError, DataError
from vision import download
from vision.download import fetch

CONTENT = bytes(range(256)) * 4000  # about 1 MB: several chunks
MD5 = hashlib.md5(CONTENT).hexdigest()
PAGE = b"<!DOCTYPE html><html>Please log in</html>"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "*")


class Server:
    """What it does is set by its fields; it notes the Range of every request."""

    def __init__(self):
        self.content = CONTENT
        self.ranges = True  # does it know Range?
        self.status = None  # an error to answer with
        self.type = "application/gzip"
        self.breaks = []  # bytes after which the answers break off, one after the other
        self.delay = 0.0  # seconds a chunk
        self.shift = 0  # an answer that starts elsewhere
        self.asked = []

    def answer(self, handler):
        wanted = handler.headers["Range"]
        self.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        if self.status or start >= len(self.content) > 0:
            handler.send_error(self.status or 416)
            return
        start += self.shift if start else 0
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        handler.send_header("Content-Type", self.type)
        handler.send_header("Content-Length", str(len(self.content) - start))
        handler.end_headers()
        end = start + self.breaks.pop(0) if self.breaks else len(self.content)
        for first in range(start, min(end, len(self.content)), 65536):
            handler.wfile.write(self.content[first : min(first + 65536, end)])
            time.sleep(self.delay)


@contextmanager
def serving():
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            with suppress(BrokenPipeError, ConnectionResetError):  # the client left
                server.answer(self)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.url = f"http://127.0.0.1:{http.server_port}/file.tar.gz"
        yield server
        http.shutdown()
        thread.join()


@pytest.fixture
def server():
    with serving() as one:
        yield one


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "file.tar.gz"


def part(path):
    return path.with_name("file.tar.gz.part")


def keep(path, content):
    path.parent.mkdir(parents=True)
    part(path).write_bytes(content)


@pytest.mark.parametrize("progress", [False, True])
def test_a_file_arrives_whole_and_alone(server, path, progress, capsys):
    assert fetch(server.url, path, md5=MD5, progress=progress) == path
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]
    assert server.asked == [None]
    assert ("file.tar.gz" in capsys.readouterr().err) == progress


def test_a_file_that_is_there_is_not_asked_for(server, path):
    fetch(server.url, path, md5=MD5)
    fetch(server.url, path, md5=MD5)
    assert len(server.asked) == 1


@pytest.mark.parametrize("have", [1, 300_000, len(CONTENT) - 1])
def test_a_kept_part_is_resumed(server, path, have):
    keep(path, CONTENT[:have])
    fetch(server.url, path, md5=MD5)
    assert server.asked == [f"bytes={have}-"]
    assert path.read_bytes() == CONTENT


def test_a_kept_part_that_is_whole_is_only_checked(server, path):
    keep(path, CONTENT)
    fetch(server.url, path, md5=MD5)
    assert server.asked == [f"bytes={len(CONTENT)}-"]
    assert path.read_bytes() == CONTENT


def test_a_server_without_range_is_read_from_the_start(server, path):
    server.ranges = False
    keep(path, CONTENT[:300_000])
    fetch(server.url, path, md5=MD5)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("wrong", [b"another file", CONTENT + b"longer"])
def test_a_kept_part_of_another_file_is_thrown_away(server, path, wrong):
    keep(path, wrong)
    fetch(server.url, path, md5=MD5)
    assert server.asked == [f"bytes={len(wrong)}-", None]
    assert path.read_bytes() == CONTENT


def test_an_answer_that_starts_elsewhere_is_not_taken(server, path):
    server.shift = 5
    keep(path, CONTENT[:300_000])
    fetch(server.url, path, md5=MD5)
    assert server.asked == ["bytes=300000-", None]
    assert path.read_bytes() == CONTENT


def test_broken_connections_are_taken_up_again(server, path):
    server.breaks = [100_000] * 9  # more than ATTEMPTS, but each brings something
    fetch(server.url, path, md5=MD5)
    assert server.asked[:3] == [None, "bytes=100000-", "bytes=200000-"]
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("ranges", [False, True])
def test_a_connection_that_brings_nothing_more_ends_with_the_part_kept(server, path, ranges):
    server.ranges, server.breaks = ranges, [200_000] + [0 if ranges else 200_000] * 99
    with pytest.raises(DataError, match=r"connection ended after .* times; .* bytes are kept.* by hand"):
        fetch(server.url, path, md5=MD5)
    assert part(path).read_bytes() == CONTENT[:200_000]
    assert not path.exists()
    server.breaks, server.ranges = [], True
    fetch(server.url, path, md5=MD5)
    assert server.asked[-1] == "bytes=200000-"


def test_a_slow_server_is_waited_for_and_a_silent_one_is_not(server, path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    server.delay = 0.01
    fetch(server.url, path, md5=MD5)
    path.unlink()
    server.delay, server.breaks = 0.6, [65536] * 99
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    with pytest.raises(DataError, match=r"connection broke .*timed out"):
        fetch(server.url, path, md5=MD5)


@pytest.mark.parametrize("have", [0, 1000])
def test_a_wrong_checksum_is_told_and_nothing_kept(server, path, have):
    server.content = CONTENT[:-1] + b"!"
    keep(path, CONTENT[:have])
    with pytest.raises(DataError) as caught:
        fetch(server.url, path, md5=MD5)
    for said in (server.url, hashlib.md5(server.content).hexdigest(), MD5, "by hand", str(path), "mirror"):
        assert said in str(caught.value)
    assert not path.exists()
    assert part(path).stat().st_size == 0
    assert server.asked == ([f"bytes={have}-"] if have else []) + [None]


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (403, 1), (500, 4), (503, 4)])
def test_an_error_is_told_and_only_the_servers_own_is_tried_again(server, path, status, requests):
    server.status = status
    with pytest.raises(DataError, match=rf"HTTP {status} .* by hand"):
        fetch(server.url, path, md5=MD5)
    assert len(server.asked) == requests
    assert not path.exists()


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/gzip"])
@pytest.mark.parametrize("have", [0, 1000])
def test_a_web_page_is_not_taken_for_the_file(server, path, kind, have):
    server.content, server.type, server.ranges = PAGE, kind, False
    keep(path, CONTENT[:have])
    with pytest.raises(DataError, match="got a web page instead of the file"):
        fetch(server.url, path, md5=MD5)
    assert part(path).read_bytes() == CONTENT[:have]  # a better mirror can go on from there


def test_no_network_says_what_to_do_by_hand(path):
    with serving() as gone:
        url = gone.url
    with pytest.raises(DataError, match=r"no connection .*refused.* fetch http.* by hand \(MD5 .*\), put it at"):
        fetch(url, path, md5=MD5)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/file", "/tmp/file", ""])
def test_other_addresses_are_refused(path, url):
    with pytest.raises(ArgumentError, match=r"url: got .*expected an http"):
        fetch(url, path, md5=MD5)


def test_a_folder_that_cannot_be_written_to_is_named(server, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DataError, match=r"file\.tar\.gz: got .*expected a folder to write to"):
        fetch(server.url, tmp_path / "file" / "file.tar.gz", md5=MD5)
    assert server.asked == []


def test_a_full_disk_is_told_as_such(server, path, monkeypatch):
    real = download._receive

    def full(url, file, progress):
        real(url, file, progress)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download, "_receive", full)
    with pytest.raises(DataError, match=r"No space left on device; .* use another folder"):
        fetch(server.url, path, md5=MD5)


def test_several_at_once_download_once(server, path):
    server.delay = 0.01
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: fetch(server.url, path, md5=MD5), range(4)))
    assert len(server.asked) == 1
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_a_killed_process_leaves_a_part_to_go_on_from(server, path):
    server.delay = 0.2
    code = f"from vision.download import fetch; fetch({server.url!r}, {str(path)!r}, md5={MD5!r})"
    with subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2]) as process:
        while not (part(path).exists() and part(path).stat().st_size) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    have = part(path).stat().st_size
    assert 0 < have < len(CONTENT)
    assert not path.exists()
    server.delay = 0.0
    fetch(server.url, path, md5=MD5)
    assert server.asked[-1] == f"bytes={have}-"
    assert path.read_bytes() == CONTENT
