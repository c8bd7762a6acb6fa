"""`kinote export`: studies and notes as a folder, a ZIP file or an ISO image, read back before it counts as made."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

import typer

from kinote.command.output import FAILED, USAGE, fail, out, progress
from kinote.command.store.begun import Begun
from kinote.media.containers import File, zipped
from kinote.media.iso_image import read_image_back, write_image
from kinote.media.reading_back import DIGESTS, NotAsMadeError, read_back
from kinote.media.set_folder import SetFolder, sync_folder

#: The last member of the stream: the outcome for every object.
_REPORT = "report.json"

#: The temporary name of a file or folder until it is complete.
_INCOMPLETE = ".incomplete"

_CHUNK = 256 * 1024

#: The most objects named in the report for people. `--json` has them all.
_NAMED = 20


@dataclass(frozen=True, slots=True)
class Target:
    """The output of an export: one of the three."""

    folder: Path | None = None
    zip_file: Path | None = None
    iso: Path | None = None

    @property
    def path(self) -> Path:
        found = [each for each in (self.folder, self.zip_file, self.iso) if each is not None]
        if len(found) != 1:
            fail("Name one of --folder, --zip and --iso.", USAGE)
        return found[0]


def export(begun: Begun, target: Target, asked: dict[str, Any], *, as_json: bool) -> None:
    """Make an export, and print the outcome; exit status 1 if something that belongs to it is missing."""
    path = target.path
    if not asked["studies"] and not asked["notes"]:
        fail("Name a study with --study, or a note with --note.", USAGE)
    _check_target(target, path)
    with begun.store("work") as store:
        planned = store.post("/api/v1/exports/plan", asked)
        with progress() as bars:
            bar = bars.add_task("Exporting", total=planned["objects"])
            with store.made("/api/v1/exports", asked, "application/x-tar") as stream:
                report = _Reported(lambda: bars.advance(bar))
                files = report.without(_members(stream))
                try:
                    made = _make(target, files)
                except (OSError, tarfile.TarError) as error:
                    fail(f"Nothing was exported: {error}")
    _print(made, report.found, as_json=as_json)


def _check_target(target: Target, path: Path) -> None:
    """Refuse a place that is taken, before the server records that anything was exported."""
    if target.folder is None:
        if os.path.lexists(path):
            fail(f"{path} exists already.", USAGE)
        if not path.parent.is_dir():
            fail(f"There is no folder {path.parent}.", USAGE)
    elif os.path.lexists(path):
        if not path.is_dir():
            fail(f"{path} is not a folder.", USAGE)
        try:
            SetFolder.check(path)
        except OSError as error:
            fail(str(error), USAGE)


def _make(target: Target, files: Iterator[File]) -> list[Path]:
    """Write the files to their place, read them back, and return what was made."""
    if target.folder is not None:
        return [_folder(target.folder, files)]
    if target.zip_file is not None:
        return [_zip(target.zip_file, files)]
    assert target.iso is not None
    return _images(target.iso, files)


def _folder(root: Path, files: Iterator[File]) -> Path:
    made = SetFolder(root)
    try:
        made.take(files)
        made.finish()
    except BaseException:
        made.abandon()
        raise
    return root


def _zip(path: Path, files: Iterator[File]) -> Path:
    with _incomplete(path) as making:
        with making.open("wb") as written:
            for piece in zipped(files):
                written.write(piece)
            written.flush()
            os.fsync(written.fileno())
            os.posix_fadvise(written.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        with zipfile.ZipFile(making) as archive:
            listed = [name for name in archive.namelist() if name.rpartition("/")[2] == DIGESTS]
            if not listed:
                raise NotAsMadeError("The export ended before its first file set was whole.")
            for name in listed:
                prefix = name[: -len(DIGESTS)]

                def open_file(path: str, prefix: str = prefix) -> BinaryIO:
                    return cast(BinaryIO, archive.open(prefix + path))

                read_back(archive.read(name), open_file)
    return path


def _images(path: Path, files: Iterator[File]) -> list[Path]:
    """Write the images of the sets: a single one under the given name, several with a number before the suffix."""
    staging = path.with_name(f"{path.name}{_INCOMPLETE}.d")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        made = SetFolder(staging)
        made.take(files)
        made.finish()
        images = [
            path if len(made.sets) == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
            for number in range(1, len(made.sets) + 1)
        ]
        # None gets its name before all are complete: the first of three would look like the export.
        with ExitStack() as all_made:
            making = [all_made.enter_context(_incomplete(image)) for image in images]
            for folder, image in zip(made.sets, making, strict=True):
                write_image(staging / folder, image, _volume(staging / folder))
                read_image_back(image)
                # The next one may need the room.
                shutil.rmtree(staging / folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return images


def _volume(folder: Path) -> str:
    """Return the File-set ID of a set, which is also the name of its volume (PS3.12)."""
    with (folder / "DICOMDIR").open("rb") as file:
        head = file.read(1024)
    at = head.index(b"\x04\x00\x30\x11CS")
    length = int.from_bytes(head[at + 6 : at + 8], "little")
    return head[at + 8 : at + 8 + length].decode("ascii").strip()


@contextmanager
def _incomplete(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary file, renamed when the block succeeds and removed otherwise."""
    making = path.with_name(path.name + _INCOMPLETE)
    try:
        if os.path.lexists(path):
            raise FileExistsError(f"{path} exists already.")
        yield making
        making.rename(path)
        sync_folder(path.parent)
    except BaseException:
        making.unlink(missing_ok=True)
        raise


def _members(stream: BinaryIO) -> Iterator[File]:
    """Yield the files of a tar stream while it arrives."""
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            _check(member.name)
            yield File(member.name, member.size, iter(partial(content.read, _CHUNK), b""))


def _check(name: str) -> None:
    if name.startswith("/") or ".." in name.split("/"):
        raise NotAsMadeError(f"The server names a file {name!r}.")


class _Reported:
    """The report, which is the last file. `advance` is called for each file before it."""

    def __init__(self, advance: Callable[[], object]) -> None:
        self.found: dict[str, Any] = {}
        self._advance = advance

    def without(self, files: Iterator[File]) -> Iterator[File]:
        """Yield all files but the report. Raises `NotAsMadeError` at the end if there was none."""
        for file in files:
            if file.path == _REPORT:
                self.found = json.loads(b"".join(file.chunks))
            else:
                yield file
                self._advance()
        if not self.found:
            raise NotAsMadeError("The export ended early.")


def _print(made: list[Path], report: dict[str, Any], *, as_json: bool) -> None:
    # Several notes may lack the same object.
    lacking = [
        *{each["sop_instance_uid"]: each for each in (*report["left_out"], *report["missing"])}.values()
    ]
    if as_json:
        whole = {"made": [str(path) for path in made], **report}
        print(json.dumps(whole, ensure_ascii=False, indent=1))
    else:
        for path in made:
            out.print(f"[bold]{path}[/bold]", highlight=False)
        out.print(f"{report['objects']} objects, read back and compared.")
        if report["synthesized"]:
            out.print(
                f"{len(report['synthesized'])} values that objects lack were made up for the DICOMDIR alone."
            )
        if lacking:
            out.print(f"[bold]{len(lacking)} objects that belong to it are missing:[/bold]")
        for each in lacking[:_NAMED]:
            out.print(f"  {each['sop_instance_uid']}: {each['reason']}", highlight=False, markup=False)
        if len(lacking) > _NAMED:
            out.print(f"  and {len(lacking) - _NAMED} more; --json names them all.")
    if lacking:
        raise typer.Exit(FAILED)
