"""A filled database as text: every row of a schema, its files, and what the model of the laws says of them.

It is written down once, by the code that has the schema, and poured into either kind of database ever after:

    python -m tests.upgrades.written_down rows_0001.json
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, Table, func, select, text

from kinote.catalog.schema.tables import metadata
from kinote.catalog.sql.text_index import NOTE_TEXT, STUDY_TEXT
from kinote.holdings.removing.removal import remember
from tests.laws.acts import Acts
from tests.laws.arrivals import Flag
from tests.laws.day import a_day
from tests.laws.model import Kept, Model, Note, Version, Withdrawal
from tests.laws.product import Product, Seen

Json = dict[str, Any]

#: A file whose row was gone when the product was closed, before it could be removed.
LEFT_TO_REMOVE = "2026/11/23/10/left.dcm"


def write_down(target: Path) -> None:
    """Live a day in a new product on SQLite, and write down what it left."""
    with tempfile.TemporaryDirectory() as folder:
        product = Product(f"sqlite:///{folder}/kinote.sqlite", Path(folder))
        acts = Acts(product)
        a_day(acts)
        acts.discard(0)
        product.catalog.write(
            lambda transaction: remember(transaction, (1, LEFT_TO_REMOVE), datetime.now(UTC))
        )
        with product.catalog.read() as connection:
            written = {
                "tables": {table.name: _rows(connection, table) for table in metadata.sorted_tables},
                "texts": {
                    index.table.name: _texts(connection, index.table) for index in (NOTE_TEXT, STUDY_TEXT)
                },
            }
        product.close()
        files = {
            file.relative_to(folder).as_posix(): file.read_bytes()
            for kept in ("objects", "packs")
            for file in Path(folder, kept).rglob("*")
            if file.is_file() and file.suffix != ".lock"
        }
    written |= {
        "files": files,
        "model": _of_model(acts.model),
        "withdrawal_keys": acts.withdrawal_keys,
        "feed": [asdict(each) for each in acts.feed],
    }
    target.write_text(_as_lines(written) + "\n", encoding="utf-8")


def _as_lines(value: object) -> str:
    """As JSON, with a line for each row."""
    if isinstance(value, dict) and any(isinstance(each, dict | list) for each in value.values()):
        lines = [f"{json.dumps(name)}:{_as_lines(each)}" for name, each in value.items()]
        return "{\n" + ",\n".join(lines) + "\n}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(_on_one_line(each) for each in value) + "\n]"
    return _on_one_line(value)


def _on_one_line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_packed)


def _rows(connection: Connection, table: Table) -> list[Json]:
    ordered = select(table).order_by(*table.primary_key.columns)
    return [dict(row) for row in connection.execute(ordered).mappings()]


def _texts(connection: Connection, table: Any) -> list[list[Any]]:
    return [list(row) for row in connection.execute(select(table).order_by(table.c.rowid))]


def _of_model(model: Model) -> Json:
    return {
        "objects": [asdict(each) for each in model.objects.values()],
        "held": [asdict(each) for each in model.held],
        "withdrawals": [asdict(each) for each in model.withdrawals],
        "notes": [asdict(each) for each in model.notes.values()],
    }


def _packed(value: object) -> object:
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(zlib.compress(value, 9)).decode()}
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(type(value))


def _unpacked(value: Json) -> object:
    return zlib.decompress(base64.b64decode(value["bytes"])) if value.keys() == {"bytes"} else value


def read_back(file: Path) -> Json:
    """What was written down, with its bytes."""
    written: Json = json.loads(file.read_text(encoding="utf-8"), object_hook=_unpacked)
    return written


def pour(connection: Connection, written: Json) -> None:
    """Put all rows into a database that has their schema and nothing else."""
    there = MetaData()
    there.reflect(connection, only=list(written["tables"]))
    for table in there.sorted_tables:
        rows: Sequence[Json] = written["tables"][table.name]
        if rows:
            connection.execute(table.insert(), rows)
            _draw_keys_after(connection, table)
    for index in (NOTE_TEXT, STUDY_TEXT):
        texts = [(key, folded, grams.split()) for key, folded, grams in written["texts"][index.table.name]]
        index.fill(connection, texts, new=True)


def _draw_keys_after(connection: Connection, table: Table) -> None:
    """Let PostgreSQL give no key anew that a row has."""
    first = next(iter(table.primary_key.columns))
    if (
        connection.dialect.name != "postgresql"
        or not first.autoincrement
        or len(table.primary_key.columns) > 1
    ):
        return
    sequence = connection.execute(
        text("SELECT pg_get_serial_sequence(:table, :key)"), {"table": table.name, "key": first.name}
    ).scalar()
    if sequence is not None:
        greatest = connection.execute(select(func.max(first))).scalar_one()
        connection.execute(
            text("SELECT setval(:sequence, :value)"), {"sequence": sequence, "value": greatest}
        )


def put_files(data: Path, written: Json) -> None:
    files = {f"objects/{LEFT_TO_REMOVE}": b"its row is gone", **written["files"]}
    for name, content in files.items():
        file = data / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def acts_of(product: Product, written: Json) -> Acts:
    """A product and the model of what was written down, to go on with."""
    acts = Acts(product)
    model = written["model"]
    acts.model.objects = {each["uid"]: Kept(**each) for each in model["objects"]}
    acts.model.held = [Kept(**each) for each in model["held"]]
    acts.model.withdrawals = [
        Withdrawal(frozenset(each["uids"]), frozenset({each["rejection_note"]} - {""}), each["undone"])
        for each in model["withdrawals"]
    ]
    acts.model.notes = {each["number"]: _note(each) for each in model["notes"]}
    acts.withdrawal_keys = {int(place): key for place, key in written["withdrawal_keys"].items()}
    acts.feed = [Seen(**each) for each in written["feed"]]
    return acts


def _note(written: Json) -> Note:
    versions = [
        Version(
            tuple(Flag(**flag) for flag in each["flags"]),
            each["kind"],
            each["text"],
            each["documents"],
            set(each["named"]),
        )
        for each in written["versions"]
    ]
    content = tuple(tuple(part) if isinstance(part, list) else part for part in written["content"])
    return Note(written["number"], written["origin"], versions, content)


if __name__ == "__main__":
    write_down(Path(sys.argv[1]))
