"""What an application's env.py does: Alembic knows the operations."""

import mrl_pg.alembic

mrl_pg.alembic.register()
