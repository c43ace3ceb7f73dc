"""Why a picture has no output: a code that can be counted, a sentence for a person."""

from __future__ import annotations


class NoPicture(Exception):
    """Raised with a code of `lib.records.ERROR_CODES`."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
