"""`dramatiq config.workers` and `periodiq config.workers`: Django is set up, every actor is known."""

import os

import django
from dramatiq import get_broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
django.setup()

broker = get_broker()
