"""What a published book needs besides its pages: a page for wrong addresses, and, once `html: baseurl` in _config.yml
names the place where it is published, a site map and what other sites show of a page that is shared. Once
`repository: url` names its repository, the pages link to it, and chapters to the services that run them."""

import html
import re
from pathlib import Path
from urllib.parse import urlsplit

from page import POLICY

NOT_FOUND = """<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta http-equiv="Content-Security-Policy" content="{policy}" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="robots" content="noindex" />
    <title>No such page — {title}</title>
    <style>
      :root {{ color-scheme: light dark; }}
      body {{ font: 1.1rem/1.6 Georgia, serif; max-width: 38rem; margin: 3rem auto; padding: 0 1rem; }}
      a {{ color: inherit; }}
    </style>
  </head>
  <body>
    <main>
      <h1>There is no such page</h1>
      <p>The address may be misspelt, or the page may have moved. These are the book's pages; the search knows every word.</p>
      <form action="{home}search.html"><input type="search" name="q" aria-label="Search the book" /> <button>Search</button></form>
      <ul>
{entries}
      </ul>
    </main>
  </body>
</html>
"""  # noqa: E501


def not_found(title: str, base: str, pages: dict[str, str]) -> str:
    """A page that can be shown in place of any other, however deep: its links begin at the root of the host."""
    home = urlsplit(base).path or "/"
    entries = "\n".join(
        f'        <li><a href="{home}{uri}">{html.escape(name)}</a></li>' for uri, name in pages.items()
    )
    return NOT_FOUND.format(policy=POLICY, title=html.escape(title), home=home, entries=entries)


def sitemap(base: str, pages: dict[str, str]) -> str:
    places = "\n".join(f"  <url><loc>{html.escape(base + uri)}</loc></url>" for uri in pages)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        f"{places}\n</urlset>\n"
    )


def preview(base: str, uri: str, title: str, description: str) -> str:
    """What a site that is given the address of a page shows of it (Open Graph)."""
    values = {"og:type": "article", "og:title": title, "og:description": description}
    if base:
        values |= {
            "og:url": base + uri,
            "og:image": f"{base}_static/preview.png",
            "twitter:card": "summary_large_image",
        }
    tags = (f'<meta property="{name}" content="{html.escape(value)}" />' for name, value in values.items() if value)
    return "".join(f"\n    {tag}" for tag in tags)


def base_of(app) -> str:
    base = app.config.html_baseurl
    return base and base.rstrip("/") + "/"


def add_preview(app, pagename, templatename, context, doctree):
    told = re.search(r'<meta name="description" content="([^"]*)"', context.get("metatags", ""))
    description = html.unescape(told[1]) if told else ""
    title = html.unescape(re.sub("<[^>]+>", "", context.get("title", "")))
    if doctree:
        context["metatags"] += preview(base_of(app), f"{pagename}.html", title, description)


def finish(app, exception):
    if exception or app.builder.name != "html":
        return
    titles, out = app.env.titles, Path(app.outdir)
    pages = {app.builder.get_target_uri(name): titles[name].astext() for name in app.env.collect_relations()}
    (out / "404.html").write_text(not_found(app.config.html_title, base_of(app), pages))
    if base_of(app):
        (out / "sitemap.xml").write_text(sitemap(base_of(app), pages))


def leave_out_launches(app, config):
    """The theme makes the links to the services, and stops where there is no repository to name in them."""
    options = config.html_theme_options
    repository, services = options.get("repository_url", ""), options.pop("launch_buttons", {})
    if repository:
        known = {name: value for name, value in services.items() if name != "colab_url" or "github.com/" in repository}
        options["launch_buttons"] = known


def setup(app):
    app.connect("config-inited", leave_out_launches)
    app.connect("html-page-context", add_preview, priority=950)  # after `page` has written the description
    app.connect("build-finished", finish, priority=950)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
