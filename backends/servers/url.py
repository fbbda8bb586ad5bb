"""Convert a DATABASES entry to a URL and back, so that one process can pass a server's address to another."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from dorm.conf import parse_database_url

# A prefix for URLs that djanorm would reject or interpret differently.
_OF_HRANA = "hrana+"
# A suffix for the URL of a server with a database per namespace: HOST:PORT of its admin API.
_NAMESPACES = "#namespaces="


def settings_from(url: str) -> dict[str, Any]:
    if url.startswith((_OF_HRANA, "file:", "ws://", "wss://")):
        url, _, namespaces = url.removeprefix(_OF_HRANA).partition(_NAMESPACES)
        return {"ENGINE": "hrana", "URL": url, **({"NAMESPACES": namespaces} if namespaces else {})}
    settings = parse_database_url(url)
    # djanorm leaves libpq's `?host=/folder` (a Unix socket) in OPTIONS, with an empty HOST.
    if folder := settings.get("OPTIONS", {}).pop("host", None):
        settings["HOST"] = folder
    return settings


def url_from(settings: dict[str, Any]) -> str:
    engine, options = settings["ENGINE"], dict(settings.get("OPTIONS", {}))
    if engine == "hrana":
        namespaces = settings.get("NAMESPACES")
        return f"{_OF_HRANA}{settings['URL']}{f'{_NAMESPACES}{namespaces}' if namespaces else ''}"
    if "SYNC_URL" in settings:
        scheme, _, host = settings["SYNC_URL"].partition("://")
        token = {"authToken": settings["AUTH_TOKEN"]} if "AUTH_TOKEN" in settings else {}
        kind = engine if scheme == engine else f"{engine}+{scheme}"
        return f"{kind}://{host}{_query({'NAME': settings['NAME'], **token, **options})}"
    if engine in ("sqlite", "libsql"):
        return f"{engine}:///{settings['NAME']}{_query(options)}"
    host = settings["HOST"]
    if host.startswith("/"):
        options["host"], host = host, ""
    user = quote(settings["USER"], safe="")
    password = quote(settings["PASSWORD"], safe="")
    return f"{engine}://{user}:{password}@{host}:{settings['PORT']}/{settings['NAME']}{_query(options)}"


def _query(options: dict[str, Any]) -> str:
    return f"?{urlencode(options, safe='/')}" if options else ""
