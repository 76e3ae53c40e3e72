"""Installs a speech model, with a progress bar."""

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from hotline.settings import Settings
from recordings.transcription import models as speech_models


def install_with_progress(settings: Settings, name: str) -> None:
    """Install a model by name or language. Raises `PartMissing` or `NotFound` with what to do."""
    with Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()) as bar:
        task = bar.add_task(name, total=None)
        speech_models.install(settings, name, lambda done, total: bar.update(task, completed=done, total=total or None))
