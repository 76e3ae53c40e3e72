"""A disk that takes nothing more is told where the team looks: on the queue."""

from hotline.disk import MB
from hotline.settings import Settings
from tests.support.browsers import Browser


async def test_a_full_disk_is_told_on_the_queue_and_a_good_one_is_not(alice: Browser, settings: Settings) -> None:
    settings.spool.mkdir(parents=True)
    assert "Tell whoever looks after the server" not in await alice.text("/queue/waiting")
    settings.free_space_floor_mb = 10**15 // MB
    told = await alice.text("/queue/waiting")
    assert "Tell whoever looks after the server" in told
    assert "the disk is full" in told
    assert "Tell whoever looks after the server" in await alice.text("/queue")
