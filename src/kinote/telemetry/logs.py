"""The log: structured lines on standard error."""

from __future__ import annotations

import logging
import sys

import structlog


def set_up_logs(*, as_json: bool, level: int = logging.INFO) -> None:
    """Format the log of Kinote and its libraries in the same way, and write it to standard error.

    `as_json` chooses JSON lines instead of text. Messages below `level` are dropped.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # Their start-up messages, and a line for each request, would hide more important messages.
    for library in ("alembic", "httpx", "uvicorn"):
        logging.getLogger(library).setLevel(logging.WARNING)
