"""The mathematics of deep learning, in NumPy. One concept a file; the book derives each of them."""

__version__ = "0.1.0"
