"""One Asterisk for a whole module, cleaned after each test.

A module says that its tests share one, and which settings differ, by a mark:

    pytestmark = pytest.mark.one_asterisk(ring_s=4, calls_out=True)

`calls_out` gives it a trunk with a provider on loopback. A test that kills its Asterisk, or starts it in another way, is
marked `own_asterisk` as well. A module without the mark has one for each test.
"""

import hashlib
import json
import re
import shutil
from typing import Any

import pytest

from hotline.settings import Settings
from telephony import names
from telephony.clients.ami import Ami
from telephony.clients.ari import Ari
from telephony.softphone.phone import Phone
from tests.support.asterisk import AsteriskUnderTest
from tests.support.ports import free_port
from tests.support.wait import until

PATIENCE = {"menu_wait_s": 1, "message_silence_s": 2, "message_max_s": 20}
LAST_SECRET = "nobody's any more"


def changes(node: pytest.Item | pytest.Module) -> dict[str, Any]:
    """The settings of this test that differ."""
    mark = node.get_closest_marker("one_asterisk")
    told = dict(mark.kwargs) if mark else {}
    if told.pop("calls_out", False):
        told["trunk_host"] = f"127.0.0.1:{free_port()}"
    return PATIENCE | told


def shares(request: pytest.FixtureRequest) -> bool:
    """Return whether this test runs on its module's Asterisk."""
    node = request.node
    return bool(
        "asterisk" in request.fixturenames
        and node.get_closest_marker("one_asterisk")
        and not node.get_closest_marker("own_asterisk")
    )


class Shared:
    """An Asterisk that runs while its module's tests do. `clean` removes all that a test has put into it."""

    def __init__(self, settings: Settings, menu: dict[str, str]) -> None:
        self.settings, self.menu = settings, menu
        self.asterisk = AsteriskUnderTest(settings, menu).start()
        self._globals = self._read_globals()

    def clean(self) -> None:
        """Make it as it was. One that cannot be cleaned is restarted, and the test that left it so has failed."""
        try:
            self._clean()
        except BaseException:
            self.asterisk.stop()
            self.asterisk.start()
            raise

    def empty_folders(self) -> None:
        """Remove the last test's database, recordings, prompts and heartbeats."""
        data = self.settings.data
        signs_of_life = [file for file in self.settings.run.iterdir() if file.name != "asterisk.ready"]
        for file in (*data.glob("freeline.db*"), self.settings.asterisk / "menu.json", *signs_of_life):
            file.unlink(missing_ok=True)
        for folder in (self.settings.spool, self.settings.sounds):
            if folder.is_file():
                folder.unlink()
            shutil.rmtree(folder, ignore_errors=True)
        self.settings.spool.mkdir(mode=0o700)

    def _clean(self) -> None:
        self.asterisk.command("channel request hangup all")
        until(lambda: self.asterisk.channels == 0)
        secrets = self.asterisk.running.secrets
        ami = Ami((self.settings.ami_host, self.settings.ami_port), names.AMI_ACTOR, secrets.ami_actor)
        ami.connect()
        try:
            for member in ami.list_action({"Action": "QueueStatus"}):
                if member.event == "QueueMember":
                    where = {"Queue": member.get("Queue"), "Interface": member.get("Location")}
                    ami.send_action({"Action": "QueueRemove", **where})
            for name, value in self._read_globals().items():
                if value != self._globals.get(name, ""):
                    ami.send_action({"Action": "Setvar", "Variable": name, "Value": self._globals.get(name, "")})
            self._drop_phones(ami)
        finally:
            ami.close()
        self.asterisk.command("queue reset stats")
        until(self._all_ends_are_written)
        for record in self.asterisk.cel.parent.iterdir():
            record.unlink()
        log = self.settings.asterisk / "log" / "messages.log"
        if log.exists():
            log.write_text("")
        assert self.asterisk.command("queue show").count("No Members") == self.asterisk.command("queue show").count(
            " has "
        )

    def _drop_phones(self, ami: Ami) -> None:
        """Remove every agent's phone. Each unregisters first, or Asterisk would still take it for registered."""
        address = (self.settings.asterisk_http_host, self.settings.asterisk_http_port)
        ari = Ari(address, names.ARI_USER, self.asterisk.running.secrets.ari)
        for agent_id in {int(n) for n in re.findall(r"\bagent(\d+)", self.asterisk.command("pjsip show endpoints"))}:
            name = names.agent_endpoint(agent_id)
            ari.put_phone(agent_id, hashlib.md5(f"{name}:{names.REALM}:{LAST_SECRET}".encode()).hexdigest())
            with Phone((self.settings.sip_host, self.settings.sip_port), name, LAST_SECRET) as phone:
                assert phone.register() == 200
                assert phone.register(0) == 200
            state = {"Action": "Getvar", "Variable": f"DEVICE_STATE({names.agent_interface(agent_id)})"}
            until(lambda asked=state: ami.send_action(asked).get("Value") == "UNAVAILABLE")
            ari.drop_phone(agent_id)

    def _read_globals(self) -> dict[str, str]:
        lines = self.asterisk.command("dialplan show globals").splitlines()
        return {name.strip(): value for name, equals, value in (line.partition("=") for line in lines) if equals}

    def _all_ends_are_written(self) -> bool:
        """Return whether all ends are written: Asterisk writes one a moment after the channels are gone."""
        if not self.asterisk.cel.exists():
            return True
        rows = [json.loads(line) for line in self.asterisk.cel.read_text().splitlines()]
        calls = {
            kind: {r["linkedid"] for r in rows if r["eventtype"] == kind} for kind in ("CHAN_START", "LINKEDID_END")
        }
        return calls["CHAN_START"] <= calls["LINKEDID_END"]
