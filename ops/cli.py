"""The `freeline` command. Exit codes: 0 fine, 1 failed, 2 wrong use."""

import json
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hotline.errors import FreelineError, Invalid, SettingsWrong
from hotline.keys import audit_key
from hotline.log import keep_standard_files
from hotline.settings import Settings, settings
from models import Database, Proficiency, Role
from ops.backup.cli import app as backup_app

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
user_app = typer.Typer(no_args_is_help=True, help="The people who sign in.")
speech_app = typer.Typer(no_args_is_help=True, help="The models that turn messages into text, offline.")
app.add_typer(user_app, name="user")
app.add_typer(speech_app, name="speech")
app.add_typer(backup_app, name="backup")


def main() -> None:
    """Run the command; an error is one or two lines, never a traceback."""
    keep_standard_files()
    try:
        app()
    except SettingsWrong as error:
        _say_wrong(error)
        sys.exit(2)
    except FreelineError as error:
        _say_wrong(error)
        sys.exit(1)


def _say_wrong(error: FreelineError) -> None:
    with suppress(OSError):  # nowhere to print it
        print(f"freeline: {error}", file=sys.stderr)


@app.command()
def up(
    demo: Annotated[bool, typer.Option(help="Demo people, shifts and calls on a first start.")] = True,
) -> None:
    """Run everything on this machine until Ctrl-C."""
    from ops.up import up as run_up

    raise typer.Exit(run_up(settings(), with_demo=demo))


@app.command()
def run(
    process: str,
    keep: Annotated[bool, typer.Option("--keep", help="Start it again when it dies or hangs.")] = False,
) -> None:
    """Run one process in the foreground: redis, asterisk, ivr, switchboard, transcriber, jobs or console."""
    if keep:
        from ops.supervision.keep_alive import keep as run_process
    else:
        from ops.supervision.run import run as run_process

    raise typer.Exit(run_process(process, settings()))


@app.command()
def prepare(
    hand_out: Annotated[
        Path | None, typer.Option(help="Put into line/ and sealing/ here what may leave keys/.")
    ] = None,
) -> None:
    """Make what containers need before their processes start: folders, keys, tables and prompts. Waits for the database."""
    from ops.prepare import prepare_apart

    prepare_apart(settings(), hand_out, say=lambda text: print(text, flush=True))


@app.command()
def health(process: str) -> None:
    """Check whether one process does its work; exit 0 when it does. For the health checks of containers."""
    from ops.supervision.health import healthy

    raise typer.Exit(0 if healthy(settings(), process) else 1)


@app.command()
def status(json_: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show the state of processes, calls, cases, recordings and agents. Exit 0 only when ready."""
    from ops.status import status as ask

    found = ask(settings())
    if json_:
        print(json.dumps(found, indent=2))
    else:
        _show_status(found)
    raise typer.Exit(0 if found["ready"] else 1)


def _show_status(found: dict[str, object]) -> None:
    from ops.status import PARTS

    screen = Console(highlight=False)
    screen.print("[green]ready[/green]" if found["ready"] else "[red]not ready[/red]")
    table = Table(box=None, pad_edge=False, show_header=False)
    processes = found["processes"]
    assert isinstance(processes, dict)  # noqa: S101
    for name, process in processes.items():
        table.add_row(name, process["state"], process["since"] or "")
    for part in ("calls", "cases", "recordings", "jobs", "agents"):
        numbers = found[part]
        assert isinstance(numbers, dict)  # noqa: S101
        table.add_row(part, ", ".join(f"{value} {key}" for key, value in numbers.items()))
    for part in (*PARTS, "trunk"):
        table.add_row(part, str(found[part]))
    screen.print(table)
    missing = found["missing"]
    assert isinstance(missing, list)  # noqa: S101
    for sentence in missing:
        screen.print(f"[red]{escape(sentence)}[/red]", soft_wrap=True)


@app.command()
def call(
    press: Annotated[str, typer.Option(help="The language's key in the menu.")] = "",
    say: Annotated[Path | None, typer.Option(help="A sound file to say after the tone.")] = None,
    from_: Annotated[str, typer.Option("--from", help="The caller's number; 'withheld' for none.")] = "0812345678",
    safe: Annotated[bool, typer.Option(help="Press 1 when asked if it is safe to call back.")] = False,
) -> None:
    """Place a real SIP call into the line."""
    from ops.place_call import pcm_of, place

    done = place(
        settings(),
        press=press,
        pcm=pcm_of(say) if say else b"",
        number=None if from_ == "withheld" else from_,
        safe=safe,
        say=lambda text: print(text, flush=True),
    )
    raise typer.Exit(0 if done else 1)


@app.command()
def doctor(json_: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Check the machine and the set-up, and say how to fix each problem. Exit 1 when one is bad."""
    from ops.doctor import examine

    found = []
    screen = Console(highlight=False, soft_wrap=True)
    with Console(stderr=True).status("") as looking:
        for area, finding in examine(settings(), lambda area: looking.update(f"looking at: {area}")):
            found.append({"area": area, **asdict(finding)})
            if not json_:
                mark = {"ok": "[green]ok  [/green]", "warn": "[yellow]warn[/yellow]", "bad": "[red]bad [/red]"}
                screen.print(mark[finding.grade], f" {escape(f'{area}: {finding.text}')}")
                if finding.mend:
                    screen.print(f"      [dim]→[/dim] {escape(finding.mend)}")
    if json_:
        print(json.dumps(found, indent=2))
    raise typer.Exit(1 if any(row["grade"] == "bad" for row in found) else 0)


@app.command("migrate-database")
def migrate_database(
    to: Annotated[str, typer.Option(help="An empty PostgreSQL database: postgresql://user@host/freeline")],
) -> None:
    """Copy everything from SQLite to PostgreSQL, and compare every table. Freeline must be stopped."""
    from ops.migrate_database import migrate

    raise typer.Exit(migrate(settings(), to))


@user_app.command("add")
def user_add(
    login: str,
    name: Annotated[str, typer.Option(help="As colleagues see it.")] = "",
    role: Annotated[Role, typer.Option()] = Role.AGENT,
    speaks: Annotated[str, typer.Option(help="Languages, for example my:native,th:fluent,en:basic")] = "",
) -> None:
    """Add a person; the password is asked for, or read from standard input."""
    from hotline.staff.people import add_agent

    password = (
        typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        if sys.stdin.isatty()
        else sys.stdin.readline().rstrip("\n")
    )
    db = _database(settings())
    try:
        with db.write() as session:
            add_agent(session, login, name or login, role, password, _languages(speaks))
    except Invalid as error:
        print(f"freeline: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    finally:
        db.dispose()
    print(f"{login} can sign in now")


def _languages(text: str) -> dict[str, Proficiency]:
    from hotline.line.languages import catalogue

    found = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        code, _, how_well = part.partition(":")
        if code not in catalogue():
            raise Invalid(speaks=f"{code!r} is not a language of the catalogue: {', '.join(catalogue())}")
        try:
            found[code] = Proficiency(how_well or "fluent")
        except ValueError as error:
            raise Invalid(speaks=f"{how_well!r} is not one of {', '.join(Proficiency)}") from error
    return found


def _database(config: Settings) -> Database:
    config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    db = Database(config.database, audit_key=audit_key(config.keys))
    db.migrate()
    return db


@speech_app.command("list")
def speech_list() -> None:
    """List the available models, and which are installed."""
    from recordings.transcription.models import list_models

    table = Table(box=None, pad_edge=False)
    for heading in ("language", "model", "size", "installed"):
        table.add_column(heading)
    for model in list_models(settings()):
        size = f"{model.size / 1e6:.0f} MB" if model.size else "?"
        table.add_row(model.language, model.name, size, "yes" if model.installed else "")
    Console(highlight=False).print(table)


@speech_app.command("install")
def speech_install(name: str) -> None:
    """Download a model, check it and unpack it. Continues where an earlier download stopped."""
    from ops.speech import install_with_progress

    install_with_progress(settings(), name)
