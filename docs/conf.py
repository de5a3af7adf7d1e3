"""How Sphinx makes the site: from Markdown, the labs as they were saved, and docstrings.

    make docs    # build/site/index.html

The source folder is the project itself, so that no text is written twice; `include_patterns` says
what becomes a page. No cell is run, and neither building nor reading asks another machine for
anything: formulas become MathML, which browsers draw without a script.
"""

import shutil
from dataclasses import fields
from importlib.metadata import version as version_of

from docutils.nodes import SkipNode
from latex2mathml.converter import convert
from pygments.lexers import get_lexer_by_name

from labkit.settings import Settings

project = html_title = "AI 101"
author = "the authors of AI 101"
project_copyright = f"{author}. Code: Apache-2.0. Prose: CC BY 4.0"
version = release = version_of("labkit")

root_doc = "README"
include_patterns = [
    *("*.md", "docs/*.md", "docs/contents/*.rst", "docs/reference/*.rst"),
    "notebooks/*.ipynb",
]
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
myst_update_mathjax = False
html_math_renderer = "mathml"
autodoc_member_order = "bysource"
napoleon_numpy_docstring = False
# A name in a docstring that leads nowhere is a warning, unless another project has it, or it is
# what labkit makes for itself.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!labkit\.).*\..*"),
    ("py:class", r"labkit\..*\.(Job|Measures|Remote|Tail|Wall)"),
]

html_theme = "pydata_sphinx_theme"
html_context = {"default_mode": "auto"}
html_static_path = ["static"]
html_favicon = "static/icon.svg"
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = html_show_sourcelink = html_show_sphinx = False
html_theme_options = {
    "logo": {"text": "AI 101"},
    "search_bar_text": "Search",
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}

# What README.md would hold if it were for Sphinx alone.
CONTENTS = """
```{toctree}
:hidden:

docs/contents/labs
docs/contents/guide
docs/reference/index
```
"""


def add_contents(app, docname, source):
    if docname == root_doc:
        source[0] += CONTENTS


def add_variables(app, what, name, obj, options, lines):
    """The variables of the settings keep what they mean in the code, not in a docstring."""
    if obj is Settings:
        for one in fields(obj):
            told = one.metadata
            lines += ["", f"``{told['name']}``", f"    {told['meaning']}"]


def find_elsewhere(app, env, node, contnode):
    """A name without its module, such as DataError, when one module of labkit has it."""
    if node.get("refdomain") != "py" or node.get("refspecific"):
        return None
    node["refspecific"] = True
    python = env.domains["py"]
    return python.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], node["reftarget"], node, contnode
    )


def formula(display):
    def visit(writer, node):
        writer.body.append(convert(node.astext(), display=display))
        raise SkipNode

    return visit, None


def make_front_page(app, error):
    """The same page under the name that a browser looks for."""
    if not error:
        shutil.copyfile(app.outdir / f"{root_doc}.html", app.outdir / "index.html")


def setup(app):
    app.add_lexer("python", type(get_lexer_by_name("ipython3")))  # labs have !curl
    app.add_html_math_renderer("mathml", formula("inline"), formula("block"))
    app.connect("source-read", add_contents)
    app.connect("autodoc-process-docstring", add_variables)
    app.connect("missing-reference", find_elsewhere)
    app.connect("build-finished", make_front_page)
