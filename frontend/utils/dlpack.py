"""Memory shared with other libraries by way of DLPack."""

from __future__ import annotations

from ingot.functional.memory import from_dlpack as from_dlpack
from ingot.functional.memory import to_dlpack as to_dlpack
