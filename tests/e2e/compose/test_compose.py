"""docker-compose.yml, run: a real call into it becomes a case, restarts lose nothing, and it is as closed as it says."""

import pytest

from tests.e2e.compose.engine import STANDINS, images
from tests.e2e.compose.stack import OURS, SERVICES, Stack
from tests.support.wait import until

pytestmark = pytest.mark.timeout(2400)


def test_a_call_into_the_published_port_becomes_a_case_behind_tls(stack: Stack) -> None:
    sofia = stack.sign_in("sofia")
    before = sofia.cases()
    stack.leave_message("0812345678", to_the_end=True)
    [case] = until(lambda: sofia.cases() - before, 30, 0.5)
    assert "Voicemail" in sofia.get("/queue")
    assert "English" in sofia.get(case)
    found = stack.status()
    assert found["recordings"]["total"] == len(sofia.cases())
    assert found["recordings"]["spool"] == 0


def test_a_restart_of_any_service_loses_nothing(stack: Stack) -> None:
    sofia = stack.sign_in("sofia")
    before, kept = sofia.cases(), stack.status()
    assert before, "this test needs a case to lose"
    for service in SERVICES:
        stack.compose("restart", "--timeout", "10", service)
    stack.wait_ready()
    after = stack.status()
    for part in ("cases", "calls", "recordings"):
        assert after[part] == kept[part]
    assert sofia.cases() == before, "the sign-in or a case is lost"
    stack.leave_message("0898765432")
    until(lambda: len(sofia.cases()) == len(before) + 1, 30, 0.5)


def test_it_comes_up_in_any_order(stack: Stack) -> None:
    """The database comes last here. Nobody but a Docker engine keeps the order of the file, and that only at the start."""
    kept = stack.status()["cases"]
    stack.engine.podman("stop", "--time", "20", *map(stack.container, SERVICES))
    assert not stack.status()["ready"]
    for service in (
        "console",
        "transcriber",
        "jobs",
        "ivr",
        "asterisk",
        "switchboard",
        "caddy",
        "prepare",
        "redis",
        "postgres",
    ):
        stack.engine.podman("start", stack.container(service))
    stack.wait_ready()
    assert stack.status()["cases"] == kept
    stack.leave_message("0801234567")
    until(lambda: stack.status()["cases"]["total"] == kept["total"] + 1, 30, 0.5)


def test_a_hung_ivr_is_killed_and_comes_back_within_its_container(stack: Stack) -> None:
    script = (
        "import os, pathlib, signal\n"
        "for p in pathlib.Path('/proc').glob('[0-9]*/cmdline'):\n"
        "    if p.read_bytes().endswith(b'run\\0ivr\\0'): print(p.parts[2]); os.kill(int(p.parts[2]), signal.SIGSTOP)\n"
    )
    [stopped] = stack.run_in("ivr", "python", "-c", script).split()

    def another() -> bool:
        return stack.status()["ready"] and not stack.run_in("ivr", "sh", "-c", f"cat /proc/{stopped}/stat", check=False)

    until(another, 60, 0.5)


@pytest.mark.parametrize("service", SERVICES)
def test_it_runs_without_rights_on_a_file_system_that_cannot_be_written(stack: Stack, service: str) -> None:
    found = stack.inspect(service)
    assert found["HostConfig"]["ReadonlyRootfs"] is True
    assert found["HostConfig"]["Privileged"] is False
    assert found["HostConfig"]["Memory"] > 0
    assert found["HostConfig"]["NanoCpus"] > 0 or found["HostConfig"]["CpuQuota"] > 0
    assert "no-new-privileges" in " ".join(found["HostConfig"]["SecurityOpt"])
    state = stack.run_in(service, "cat", "/proc/1/status")
    ids = next(line for line in state.splitlines() if line.startswith("Uid:")).split()[1:]
    assert "0" not in ids
    effective = next(line for line in state.splitlines() if line.startswith("CapEff:")).split()[1]
    # Binding to low ports is all that Caddy's program file asks for.
    assert int(effective, 16) in ({0, 1 << 10} if service == "caddy" else {0})
    assert "Read-only" in stack.run_in(
        service, "sh", "-c", "echo x > /anything 2>&1 || true; touch /usr/x 2>&1 || true"
    )


def test_no_secret_is_in_an_environment_or_a_command(stack: Stack) -> None:
    secrets = [text for file in (stack.folder / "secrets").iterdir() if (text := file.read_text().strip())]
    assert len(secrets) >= 3
    for service in SERVICES:
        told = stack.engine.podman("inspect", stack.container(service))
        for process in ("self", "1"):
            told += stack.run_in(service, "cat", f"/proc/{process}/environ", f"/proc/{process}/cmdline")
        assert not any(secret in told for secret in secrets), f"a secret of {service} can be seen"


def test_each_holds_only_the_keys_of_its_task(stack: Stack) -> None:
    held = {service: set(stack.run_in(service, "ls", "/data/keys").split()) for service in OURS if service != "redis"}
    every = {"identity.age", "public.age", "index.key"}
    assert held["asterisk"] & every == set()
    for service in ("ivr", "switchboard", "jobs"):
        assert held[service] & every == {"public.age", "index.key"}
    assert held["console"] & every == held["transcriber"] & every == every


@pytest.mark.parametrize("service", SERVICES)
def test_its_health_check_passes(stack: Stack, service: str) -> None:
    # Without systemd nothing runs these by itself.
    words = stack.inspect(service)["Config"]["Healthcheck"]["Test"]
    assert words, "there is no health check"
    stack.engine.podman("healthcheck", "run", stack.container(service))


def test_only_sip_sound_and_tls_are_open_to_the_world(stack: Stack) -> None:
    assert sorted(name for name in SERVICES if stack.inspect(name)["HostConfig"]["PortBindings"]) == [
        "asterisk",
        "caddy",
    ]
    assert all(port.endswith("/udp") for port in stack.inspect("asterisk")["HostConfig"]["PortBindings"])
    listening = stack.run_in("asterisk", "cat", "/proc/net/tcp")
    # Local addresses of listening sockets, least byte first.
    own = {bytes.fromhex(line.split()[1][:8])[::-1] for line in listening.splitlines()[1:] if line.split()[3] == "0A"}
    names = {".".join(str(part) for part in address) for address in own}
    assert names <= {f"{stack.inner}.210", "127.0.0.11"}, "AMI or ARI listens where it should not"


def test_coturn_relays_for_who_knows_the_secret(stack: Stack) -> None:
    stack.compose("--profile", "turn", "up", "--detach", "--no-build", "--no-deps", "coturn")

    def relayed(secret: str) -> bool:
        words = ("turnutils_uclient", "-y", "-c", "-n", "5", "-W", secret, "-p", str(stack.turn_port), stack.address)
        return "tot_recv_msgs=10" in stack.run_in("coturn", "timeout", "15", *words, check=False)

    secret = (stack.folder / "secrets" / "turn_secret").read_text().strip()
    until(lambda: relayed(secret), 40, 1.0)
    assert not relayed("a guess")
    assert secret not in stack.run_in("coturn", "cat", "/proc/1/cmdline", "/proc/1/environ")


def test_every_foreign_image_of_the_files_has_a_stand_in() -> None:
    stages = (STANDINS / "Containerfile").read_text()
    assert all(f"AS {standin}\n" in stages for standin in images().values() if standin)
