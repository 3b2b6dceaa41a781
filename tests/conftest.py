"""What every test and every notebook's kernel finds in its environment; set before NumPy is imported anywhere."""

import os

from run_notebooks import ENVIRONMENT

os.environ.update(ENVIRONMENT)
