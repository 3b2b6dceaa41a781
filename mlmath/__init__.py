"""The mathematics of deep learning, in NumPy. One concept a file; the book derives each of them.

Importing it needs NumPy alone. TensorFlow, SymPy, SciPy and matplotlib are imported where they are used.
"""

from mlmath.activations import (
    ACTIVATIONS,
    d_gelu,
    d_leaky_relu,
    d_log_softmax,
    d_relu,
    d_sigmoid,
    d_silu,
    d_softmax,
    d_softplus,
    d_tanh,
    gelu,
    leaky_relu,
    log_softmax,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from mlmath.claims import claim
from mlmath.data import as_rows, disc, load_mnist, xor
from mlmath.losses import (
    binary_cross_entropy,
    binary_cross_entropy_from_logits,
    cross_entropy,
    d_binary_cross_entropy,
    d_binary_cross_entropy_from_logits,
    d_cross_entropy,
    d_mse,
    mse,
)
from mlmath.metrics import accuracy, calibration, confusion_matrix, wilson_interval
from mlmath.network import Dense, Dropout, Network, copy_from_keras, copy_to_keras, glorot_uniform, he_normal
from mlmath.optimizers import SGD, Adam, RMSProp
from mlmath.training import History, evaluate, fit, minibatches

__version__ = "0.1.0"

__all__ = [
    "ACTIVATIONS",
    "SGD",
    "Adam",
    "Dense",
    "Dropout",
    "History",
    "Network",
    "RMSProp",
    "accuracy",
    "as_rows",
    "binary_cross_entropy",
    "binary_cross_entropy_from_logits",
    "calibration",
    "claim",
    "confusion_matrix",
    "copy_from_keras",
    "copy_to_keras",
    "cross_entropy",
    "d_binary_cross_entropy",
    "d_binary_cross_entropy_from_logits",
    "d_cross_entropy",
    "d_gelu",
    "d_leaky_relu",
    "d_log_softmax",
    "d_mse",
    "d_relu",
    "d_sigmoid",
    "d_silu",
    "d_softmax",
    "d_softplus",
    "d_tanh",
    "disc",
    "evaluate",
    "fit",
    "gelu",
    "glorot_uniform",
    "he_normal",
    "leaky_relu",
    "load_mnist",
    "log_softmax",
    "minibatches",
    "mse",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
    "wilson_interval",
    "xor",
]
