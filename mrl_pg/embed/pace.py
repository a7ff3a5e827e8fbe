"""Waits between requests, so that a service does not refuse them."""

import time
from collections.abc import Callable
from threading import Lock

from mrl_pg.arguments import number, shown
from mrl_pg.errors import InvalidSetting


class RequestPace:
    """At most so many requests a minute, evenly spread; None means no limit."""

    def __init__(
        self,
        per_minute: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Raises InvalidSetting unless the number is above 0."""
        if per_minute is not None:
            per_minute = number("requests_per_minute", per_minute)
            if not 0 < per_minute < float("inf"):
                raise InvalidSetting(
                    f"requests_per_minute={shown(per_minute)} is not above 0: write "
                    "the limit of your account, or leave it out"
                )
        self._gap = 60 / per_minute if per_minute else 0.0
        self._clock, self._sleep = clock, sleep
        self._next = 0.0
        self._lock = Lock()

    def wait(self) -> None:
        """Return when the next request may be sent."""
        with self._lock:
            now = self._clock()
            at = max(now, self._next)
            self._next = at + self._gap
        if at > now:
            self._sleep(at - now)
