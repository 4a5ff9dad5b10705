"""Settings: FORWARDER_… environment variables, checked as a whole before anything runs.

settings      every setting: its type, its default, its limits and its description
api_url       which addresses of the API can be sent exactly as they are written
proxy_url     which addresses of a proxy are supported, and their parts
wording       what is wrong with a value, in words, and what a valid one looks like
environment   settings from the environment
"""

from forwarder.config.environment import NOT_SETTINGS, load
from forwarder.config.settings import PREFIX, Settings, secrets
from forwarder.config.wording import documented, example

__all__ = ["NOT_SETTINGS", "PREFIX", "Settings", "documented", "example", "load", "secrets"]
