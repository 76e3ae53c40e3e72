"""What the roles of staff are called on screen."""

from models import Role
from web.i18n import gettext as _


def role_word(of: Role) -> str:
    """Return a role as people say it."""
    return {
        Role.AGENT: _("Agent"),
        Role.SUPERVISOR: _("Supervisor"),
        Role.ADMINISTRATOR: _("Administrator"),
    }[of]
