"""The report page: one file that opens from disk without a network.

All values come from the views; plotly.js is embedded once. A Content-Security-Policy allows exactly the
scripts of the page by their hashes and no connection at all: even a name that slipped through could not run.
"""

from __future__ import annotations

import base64
import hashlib
import json
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from deploykit.reports import units
from deploykit.reports.charts import page_charts
from deploykit.reports.views.nouns.run import RunView

COLOURS = 9
"""How many categorical colours `report.css` has, besides the grey for what has none."""

_FILTERS = {
    "quantity": units.quantity,
    "size": units.size,
    "duration": units.duration,
    "count": units.count,
    "percent": units.percent,
    "decibel": units.decibel,
    "measure": units.measure,
    "metric": units.metric,
    "signed": units.signed,
    "cosine": units.cosine,
    "rate": units.rate,
    "moment": units.moment,
    "printable": units.printable,
}


def write_html(view: RunView) -> str:
    """Give the whole page as text; the caller writes it."""
    schemes = [
        scheme for network in view.networks for group in network.precision for scheme in (group.scheme,)
    ]
    return render_page(
        "report.html",
        "report.js",
        page_charts(view),
        view=view,
        scheme_colour={scheme: index % COLOURS for index, scheme in enumerate(dict.fromkeys(schemes))},
        nothing=units.NOTHING,
    )


def render_page(template: str, script: str, charts: object, **values: object) -> str:
    """Fill a page's template: style, plotly.js, scripts, the charts' data, and the values that it names."""
    from plotly.offline import get_plotlyjs

    scripts = [_script(source) for source in (get_plotlyjs(), _asset("page.js"), _asset(script))]
    return (
        _environment()
        .get_template(template)
        .render(
            css=Markup(_asset("report.css")),
            scripts=[Markup(source) for source in scripts],
            script_hashes=[_hash(source) for source in scripts],
            charts=_script_json(charts),
            **values,
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("deploykit.reports", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_FILTERS)
    return environment


def _asset(name: str) -> str:
    return (resources.files("deploykit.reports") / "assets" / name).read_text(encoding="utf-8")


def _script(source: str) -> str:
    """Make a script's text hash the same here and in the browser, which turns CR LF into LF."""
    return source.replace("\r\n", "\n").replace("\r", "\n")


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _script_json(value: object) -> Markup:
    """Write JSON that neither ends a script element nor starts a comment in it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
