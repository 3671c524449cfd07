"""MapFile: the maps of one pair in a file that is never read as a whole, an SQLite database."""

from __future__ import annotations

import contextlib
import logging
import os
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from guidegan_plugin.errors import StoreError
from guidegan_plugin.guidance.memory import map_database as database
from guidegan_plugin.guidance.memory.disk_rows import Packed, Unpacked, decoded, encoded, unpack
from guidegan_plugin.guidance.memory.map_names import NAME, new_path
from guidegan_plugin.guidance.memory.records import Totals
from guidegan_plugin.utils.files import staging
from guidegan_plugin.utils.mounts import network_drive

_log = logging.getLogger(__name__)

_WRITE = (
    "INSERT INTO maps (key, row, checksum) VALUES (?, ?, ?) "
    "ON CONFLICT (key) DO UPDATE SET row = excluded.row, checksum = excluded.checksum"
)
_SUMS = ("images", "visits", "bytes")  # of a memory's totals, in the file
_ASKED = 500  # values in one statement: SQLite takes 999


class MapFile:
    """One row an image, found by its key. A save is one transaction: all of it or nothing is there after a kill.

    Args:
        path: An existing file.
        writable: Whether saves are to go into it. Otherwise the file, and its folder, may be read-only.
        held: Whether nothing that another process saves is seen until :meth:`renew`.

    Attributes:
        path: The file.
        held: As given.
        save: The number of the newest save that is seen.
        totals: Of what is seen.

    Raises:
        StoreError: If the file is torn, or none of ours.
        ConfigError: If this Python has no SQLite.
    """

    def __init__(self, path: Path, writable: bool = False, held: bool = False) -> None:
        self.path, self.held = path.absolute(), held
        if writable and (drive := network_drive(self.path.parent)):
            _log.warning(
                "store=mmap: %s lies on a network drive (%s), on which SQLite's locks and log may fail; save on a disk "
                "of this machine, or change store (--guide_store memory)",
                self.path,
                drive,
            )
        with self._reading():
            self._db = database.connect_to_write(self.path) if writable else database.connect_to_read(self.path, held)
            self._place = _place(self.path)
            weakref.finalize(self, database.close, self._db, os.getpid(), self.path if held else None)
            (application,) = self._db.execute("PRAGMA application_id").fetchone()
            tables = [sql for (sql,) in self._db.execute("SELECT sql FROM sqlite_master ORDER BY name") if sql]
            if application != database.APPLICATION or tuple(tables) != database.TABLES:
                raise StoreError("is no file of maps")
        self.renew()

    @classmethod
    def create(cls, folder: Path, pair: str, cure: str) -> MapFile:
        """An empty file in a folder.

        Args:
            folder: The folder.
            pair: Name of the pair, for the file's.
            cure: What the user can change to write it elsewhere, for the error.

        Raises:
            StoreError: If it cannot be written.
            ConfigError: If this Python has no SQLite.
        """
        path, number = new_path(folder, pair)
        with database.writing(path, cure):
            db = database.connect(path, "rwc")
            try:
                for statement in (*(f"PRAGMA {one}" for one in database.PRAGMAS), "BEGIN", *database.TABLES):
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {database.APPLICATION}")
                facts = {"id": number, "save": 0, **dict.fromkeys(_SUMS, 0)}
                db.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
                db.execute("COMMIT")
            except BaseException:
                database.remove(path, db)
                raise
            db.close()
        return cls(path, writable=True)

    def copied(self, folder: Path, pair: str, cure: str) -> MapFile:
        """A copy of what the last save left, with a number of its own, even where the file itself was deleted.

        Args:
            folder: The folder; it is made where it is missing.
            pair: As for :meth:`create`.
            cure: As for :meth:`create`.

        Raises:
            StoreError: If it cannot be written.
        """
        path, number = new_path(folder, pair)
        with database.writing(path, cure), staging(path) as hidden:
            db = database.connect(unfinished := hidden / path.name, "rwc")
            try:
                self._db.backup(db)
                db.execute("UPDATE facts SET value = ? WHERE name = 'id'", (number,))
            finally:
                db.close()  # which takes the log in
            unfinished.replace(path)
        return MapFile(path, writable=True)

    def is_in(self, folder: Path) -> bool:
        """Whether the file lies in a folder: nobody has deleted, replaced or moved it, or the folder."""
        try:
            return _place(self.path) == self._place and self.path.parent.samefile(folder)
        except OSError:
            return False

    def renew(self) -> None:
        """See what was saved since.

        Raises:
            StoreError: If the file is torn, or none of ours.
        """
        with self._reading():
            self.release()
            if self.held:
                self._db.execute("BEGIN")
            facts = dict(self._db.execute("SELECT name, value FROM facts").fetchmany(100))
            facts.pop("stamps", None)  # which files had at first
            if facts.keys() != {"id", "save", *_SUMS} or not all(
                type(one) is int and one >= 0 for one in facts.values()
            ):
                raise StoreError("is no file of maps")
            name = NAME.fullmatch(self.path.name)
            if name is None or int(name[1], 16) != facts["id"]:
                raise StoreError("was renamed, or is of another memory")
        self.save, self.totals = facts["save"], Totals(**{name: facts[name] for name in _SUMS})

    def release(self) -> None:
        """Let go of what is held, until :meth:`renew`: what another process saves is seen meanwhile.

        Raises:
            StoreError: If the file is torn.
        """
        with self._reading():
            if self._db.in_transaction:
                self._db.execute("COMMIT")

    def checkpoint(self) -> None:
        """Move what was saved from the log into its place. Where that cannot be now, the log is read as well."""
        with contextlib.suppress(*database.Error):
            self._db.execute("PRAGMA busy_timeout = 0")
            try:
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                self._db.execute(f"PRAGMA busy_timeout = {int(database.PATIENCE * 1000)}")

    def read(self, keys: Sequence[str]) -> Unpacked:
        """What is known of images; those that are not known are left out, and order is kept for nothing.

        Raises:
            StoreError: If a row was altered, or the file is torn.
        """
        with self._reading():
            return unpack(self._ask("key, row, checksum", "key", [encoded(key) for key in keys]))

    def evenly(self, step: int) -> Unpacked:
        """What is known of every ``step``-th image; 1 for all.

        Raises:
            StoreError: As :meth:`read`.
        """
        with self._reading():
            found = unpack(self._evenly("key, row, checksum", step))
            if len(found) != (count := -(-self.totals.images // step)):
                raise StoreError(f"holds {len(found)} rows where {count} are counted")
        return found

    def keys_evenly(self, step: int) -> list[str]:
        """The key of every ``step``-th image.

        Raises:
            StoreError: If the file is torn.
        """
        with self._reading():
            return [decoded(key) for (key,) in self._evenly("key", step)]

    def keys(self) -> Iterator[str]:
        """All keys, in the order of their bytes; maps are not read.

        Raises:
            StoreError: If the file is torn.
        """
        with self._reading():
            for (key,) in self._db.execute("SELECT key FROM maps ORDER BY key"):
                yield decoded(key)

    def __contains__(self, key: str) -> bool:
        with self._reading():
            return self._db.execute("SELECT 1 FROM maps WHERE key = ?", (encoded(key),)).fetchone() is not None

    def write(self, rows: Iterable[Packed], totals: Totals, cure: str) -> None:
        """Save rows: in one transaction, which is on the disk when this returns.

        Args:
            rows: The rows that changed, keys ascending: in another order a large file takes much longer.
            totals: Of all images, once the rows are written.
            cure: What the user can change to write it elsewhere, for the error.

        Raises:
            StoreError: If it cannot be written, or another training wrote into the file; it is as it was then.
        """
        db = self._db
        with database.writing(self.path, cure):
            db.execute("BEGIN IMMEDIATE")
            try:
                (save,) = db.execute("SELECT value FROM facts WHERE name = 'save'").fetchone()
                if save != self.save:
                    raise StoreError(f"{self.path}: another training has saved into it; change {cure}")
                db.executemany(_WRITE, rows)
                facts = {"save": save + 1, **{name: getattr(totals, name) for name in _SUMS}}
                db.executemany("UPDATE facts SET value = ? WHERE name = ?", [(two, one) for one, two in facts.items()])
                db.execute("COMMIT")
            except BaseException:  # Ctrl-C, too
                with contextlib.suppress(*database.Error):
                    db.execute("ROLLBACK")
                raise
        self.save, self.totals = self.save + 1, totals
        self.checkpoint()

    def remove(self) -> None:
        """Delete the file."""
        database.remove(self.path, self._db)

    def _evenly(self, columns: str, step: int) -> Iterator[Any]:
        if step == 1:
            return self._db.execute(f"SELECT {columns} FROM maps ORDER BY id")
        return self._ask(columns, "id", range(1, self.totals.images + 1, step))

    def _ask(self, columns: str, by: str, values: Sequence[bytes] | range) -> Iterator[Any]:
        for start in range(0, len(values), _ASKED):
            some = values[start : start + _ASKED]
            marks = ",".join("?" * len(some))
            yield from self._db.execute(f"SELECT {columns} FROM maps WHERE {by} IN ({marks})", list(some))

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """What is wrong with the file is said with its name, and what helps."""
        try:
            yield
        except (StoreError, *database.Error, OSError, OverflowError) as error:
            raise StoreError(f"{self.path} {database.cause(self.path, error)}") from error


def _place(path: Path) -> tuple[int, int]:
    """Where a file lies, whatever its name."""
    found = path.stat()
    return found.st_dev, found.st_ino
