"""Key objects of migrated notes: rows first, bytes when they leave (law 11), and waiting rows until then."""

from __future__ import annotations
