"""Run, explain, correct and train sparse concept bottleneck text models.

>>> import sparsecbm
>>> model = sparsecbm.Model.load("model.onnx")
>>> prediction = model.predict("Good food, but so loud we had to shout.")
>>> prediction.suppose(noise="positive").label

Shapes are written with K concepts of up to C classes, L label classes, S positions (tokens with their special tokens)
and W words.

`sparsecbm.frames` reads and gives pandas tables, `sparsecbm.sklearn` has an estimator of scikit-learn, and
`sparsecbm.torch` writes the checkpoint of a model that was trained with other code.
"""

from ._error import SparseCbmError
from ._sparsecbm import (
    VERSION,
    Concept,
    Edit,
    Explanation,
    MaskPatch,
    Model,
    Prediction,
    Subnetworks,
    Token,
    Variable,
    export,
    inspect,
)

__version__ = VERSION
__all__ = [
    "Concept",
    "Edit",
    "Explanation",
    "MaskPatch",
    "Model",
    "Prediction",
    "SparseCbmError",
    "Subnetworks",
    "Token",
    "Variable",
    "export",
    "inspect",
]
