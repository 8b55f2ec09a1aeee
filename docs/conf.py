"""Settings of the documentation."""

import sys
from pathlib import Path

from llm_scheduler import __version__

sys.path.insert(0, str(Path(__file__).parent))  # for causes_page

project = "llm_scheduler"
author = "the llm_scheduler developers"
copyright = author
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "causes_page",
]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "examples"]
copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .gp, .go"

autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
napoleon_google_docstring = False
# The words in single backquotes in docstrings are names of code.
default_role = "code"

html_theme = "furo"
html_title = "llm_scheduler"
html_static_path = ["_static"]
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0c7a6d", "color-brand-content": "#0c7a6d"},
    "dark_css_variables": {"color-brand-primary": "#5fd0bf", "color-brand-content": "#5fd0bf"},
}
