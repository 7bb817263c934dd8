"""The operators' screens of customers."""

from modules.customers.admin._customers import CustomerAdmin
from modules.customers.admin._home import home

__all__ = ["CustomerAdmin", "home"]
