"""The keys: all there, private, and fitting each other."""

from collections.abc import Iterator

import pyrage

from hotline.keys import IDENTITY, INDEX, PUBLIC
from hotline.settings import Settings
from ops.doctor.finding import Finding, bad, ok, warn

RESTORE = "restore the keys folder from a backup; without it no number and no recording can be opened"


def check(settings: Settings) -> Iterator[Finding]:
    """Check their files and modes, and that the identity opens what the public key seals."""
    folder = settings.keys
    if not folder.exists():
        yield warn("there are no keys yet", "the first start makes them: freeline up --no-demo")
        return
    missing = [name for name in (PUBLIC, IDENTITY, INDEX) if not (folder / name).is_file()]
    if missing:
        yield bad(f"missing in {folder}: {', '.join(missing)}", RESTORE)
        return
    if folder.stat().st_mode & 0o077 or any(path.stat().st_mode & 0o077 for path in folder.iterdir()):
        yield bad("others on this machine may read the keys", f"chmod 700 {folder} && chmod 600 {folder}/*")
    if settings.data.stat().st_mode & 0o077:
        yield bad("others on this machine may look into the data folder", f"chmod 700 {settings.data}")
    try:
        identity = pyrage.x25519.Identity.from_str((folder / IDENTITY).read_text().strip())
        fits = str(identity.to_public()) == (folder / PUBLIC).read_text().strip()
        index = bytes.fromhex((folder / INDEX).read_text().strip())
    except (pyrage.IdentityError, ValueError):
        fits, index = False, b""
    if not fits:
        yield bad("identity.age does not open what public.age seals", RESTORE)
    elif len(index) < 32:
        yield bad("index.key is damaged: repeat callers are not known", RESTORE)
    else:
        yield ok("the keys are there, private, and fit each other")
