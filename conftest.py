"""What every test and every notebook's kernel finds in its environment; set before NumPy is imported anywhere.

It stands here, and not in tests/, so that it holds for notebooks that are tested alone.
"""

import os

from run_notebooks import ENVIRONMENT

os.environ.update(ENVIRONMENT)
