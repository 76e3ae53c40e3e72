"""What the hotline remembers: tables, database sessions and migrations.

This room holds *data* models. Speech models are large downloads and live in the data folder as `speech-models/`.
"""

from models.access import *
from models.alerts import *
from models.callbacks import *
from models.callers import *
from models.calls import *
from models.cases import *
from models.conversations import *
from models.db.database import Database as Database
from models.jobs import *
from models.line import *
from models.recordings import *
from models.referrals import *
from models.roster import *
from models.staff import *
