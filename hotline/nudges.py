"""Nudges between processes: names and ids, never content. Redis only wakes people up; losing one loses nothing."""

import contextlib
from collections.abc import Iterator

import redis

from hotline.log import log

CHANNEL = "freeline"

QUEUE_CHANGED = "queue-changed"
AGENTS_CHANGED = "agents-changed"
MENU_CHANGED = "menu-changed"
PROMPTS_CHANGED = "prompts-changed"
SPOOL_CHANGED = "spool-changed"
RECORDINGS_CHANGED = "recordings-changed"
CALLBACKS_CHANGED = "callbacks-changed"
EMERGENCY = "emergency"
ALERTS_CHANGED = "alerts-changed"
JOBS_CHANGED = "jobs-changed"


def case_changed(case_id: int) -> str:
    """The event that a case's page listens for."""
    return f"case-changed:{case_id}"


def call_changed(contact_id: int) -> str:
    """The event that a call's element listens for."""
    return f"call-changed:{contact_id}"


def job_changed(job_id: int) -> str:
    """The event that whatever shows a job's progress listens for."""
    return f"job-changed:{job_id}"


class Nudges:
    """Publishes and hears nudges. Never raises: without Redis, whoever waits polls instead."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(
            url, socket_timeout=2.0, socket_connect_timeout=1.0, health_check_interval=30
        )

    def tell(self, *names: str) -> None:
        """Wake whoever listens for these names."""
        try:
            for name in names:
                self._redis.publish(CHANNEL, name)
        except redis.RedisError as error:
            log().debug("a nudge was lost", error=error)

    def hear(self, wait_s: float) -> Iterator[str]:
        """Yield names as they come, and an empty string at least every `wait_s` seconds; ends when Redis is lost."""
        pubsub = self._redis.pubsub(ignore_subscribe_messages=True)
        with contextlib.closing(pubsub):
            try:
                pubsub.subscribe(CHANNEL)
                while True:
                    message = pubsub.get_message(timeout=wait_s)
                    yield message["data"].decode() if message else ""
            except (redis.RedisError, OSError) as error:
                log().debug("the nudges stopped", error=error)

    def there(self) -> bool:
        """Whether Redis answers."""
        try:
            return bool(self._redis.ping())
        except (redis.RedisError, OSError):
            return False
