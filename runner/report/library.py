"""The chart library: plotly.js, which the Python package `plotly` has in it (MIT).

It is written into each report, compressed, so that a report needs nothing from elsewhere. Nothing is imported: the
package is only asked for its files.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from env.errors import ConfigError

_SCRIPT = "plotly/package_data/plotly.min.js"


@dataclass(frozen=True)
class ChartLibrary:
    """plotly.js as a report carries it.

    Attributes:
        version: Of the Python package.
        packed: The script, gzip, in base64.
        csp_hash: Of the script, as a Content-Security-Policy names it.
        licence: The licence's text, which copies must have with them.
    """

    version: str
    packed: str
    csp_hash: str
    licence: str


@cache
def chart_library() -> ChartLibrary:
    """The installed one.

    Raises:
        ConfigError: There is none.
    """
    try:
        package = distribution("plotly")
        script = _path(package, _SCRIPT).read_bytes()
    except (PackageNotFoundError, OSError) as error:
        raise ConfigError("reports need the package plotly: pip install 'sim-arena[report]'") from error
    return ChartLibrary(
        version=package.version,
        packed=base64.b64encode(gzip.compress(script, mtime=0)).decode(),
        csp_hash=csp_hash(script),
        licence=_licence(package),
    )


def csp_hash(script: bytes) -> str:
    """A script's source expression in a Content-Security-Policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"


def _path(package: Distribution, name: str) -> Path:
    return Path(str(package.locate_file(name)))


def _licence(package: Distribution) -> str:
    for file in package.files or ():
        if file.name.startswith("LICENSE"):
            return _path(package, str(file)).read_text(encoding="utf-8", errors="replace")
    return "MIT"
