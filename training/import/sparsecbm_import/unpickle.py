"""Reads the files of `torch.save` without PyTorch and without running what they ask for.

A pickle names functions and classes to be called while it is read; whoever wrote it chooses which. Here a name gives
one of three things, and nothing is ever imported:

- our own function, for the few that put tensors together;
- an empty stub class, for modules and configurations: it keeps the state it is given and has no behaviour;
- an error, for every other name. Such a file is refused as a whole.
"""

import collections
import pickle
import zipfile

import numpy

from .errors import Refused

# Bytes of an element, and how numpy reads it; bfloat16, which numpy lacks, is widened from its 16 bits.
DTYPES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?",
}  # fmt: skip
# Classes of the reference code and of scripts that call it.
OWN_CLASSES = {
    "BiLSTMWithDotAttention", "End2EndModel", "FC", "MLP", "ModelXtoC", "ModelXtoCAux", "SubnetLinear",
    "SubnetLinear_Mask", "SubnetLinear_Structure",
}  # fmt: skip
OWN_MODULES = {"__main__", "cbm_models", "cbm_template_models", "sparse_model"}
# Where PyTorch and transformers have classes of modules and configurations.
STUBBED_PACKAGES = (
    "torch.nn.modules.",
    "transformers.models.",
    "transformers.activations",
    "transformers.configuration_",
)
STUBBED_MODULES = {
    "torch.nn.parameter",
    "transformers.modeling_utils",
    "transformers.pytorch_utils",
    "transformers.utils.generic",
}
# Functions that modules keep; they are never called here.
STUBBED_FUNCTIONS = {
    ("torch._C._nn", "gelu"), ("torch.nn.functional", "gelu"), ("torch.nn.functional", "relu"), ("torch", "relu"),
    ("torch", "tanh"),
}  # fmt: skip


class Stub:
    """An object of a class that is not loaded: its name and the state that the file holds of it."""

    origin = ("", "")

    def __new__(cls, *arguments, **named):
        stub = super().__new__(cls)
        stub.state = {}
        return stub

    def __init__(self, *arguments, **named):
        pass

    def __setstate__(self, state):
        # A state may be a dictionary, or a pair of one and of slots.
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                self.state.update(part)


class Storage:
    """The elements behind tensors: a name in the archive, and their type."""

    def __init__(self, archive, key, dtype):
        self.archive, self.key, self.dtype = archive, key, dtype

    def read(self):
        data = self.archive.read(self.key)
        if self.dtype == "bfloat16":
            halves = numpy.frombuffer(data, "<u2").astype("<u4")
            return (halves << 16).view("<f4")
        return numpy.frombuffer(data, self.dtype)


def rebuild_tensor(storage, offset, shape, strides, *ignored):
    """The tensor that views a storage, copied."""
    if not isinstance(storage, Storage):
        raise pickle.UnpicklingError("a tensor without a storage")
    numbers = (offset, *shape, *strides)
    if len(shape) != len(strides) or not all(isinstance(n, int) and n >= 0 for n in numbers):
        raise pickle.UnpicklingError(f"a tensor of shape {shape} and strides {strides}")
    elements = storage.read()
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides)) if all(shape) else 0
    if last >= max(len(elements), 1):
        raise pickle.UnpicklingError(f"a tensor of shape {shape} beyond its storage of {len(elements)} elements")
    # Python's own view of strided memory is bounded by the check above.
    view = numpy.lib.stride_tricks.as_strided(
        elements[offset:], shape, [stride * elements.itemsize for stride in strides], writeable=False
    )
    return view.copy()


def rebuild_parameter(data, *ignored):
    return data


def rebuild_from_type(function, kind, arguments, state):
    """A tensor of a class of its own, such as a buffer, as a plain one."""
    if function is not rebuild_tensor:
        raise pickle.UnpicklingError("a tensor that is made by something else than its storage")
    return rebuild_tensor(*arguments)


def stub_class(module, name):
    return type(name, (Stub,), {"origin": (module, name)})


class IsolatedUnpickler(pickle.Unpickler):
    """An unpickler for which only the names above exist."""

    def __init__(self, file, archive, prefix, place):
        super().__init__(file)
        self.archive, self.prefix, self.place = archive, prefix, place
        self.classes = {}

    def find_class(self, module, name):
        known = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("builtins", "set"): set,
            ("__builtin__", "set"): set,
            ("torch._utils", "_rebuild_tensor"): rebuild_tensor,
            ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
            ("torch._utils", "_rebuild_parameter"): rebuild_parameter,
            ("torch._tensor", "_rebuild_from_type_v2"): rebuild_from_type,
            ("torch", "Size"): tuple,
        }
        if (module, name) in known:
            return known[module, name]
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        stubbed = (
            (module in OWN_MODULES and name in OWN_CLASSES)
            or module.startswith(STUBBED_PACKAGES)
            or module in STUBBED_MODULES
            or (module, name) in STUBBED_FUNCTIONS
            or (module == "torch" and name in ("Tensor", "float32", "float16", "bfloat16", "device"))
        )
        # A dotted name would look inside a class.
        if not stubbed or "." in name:
            raise Refused(
                self.place,
                f"REFUSED: reading it would call {module}.{name}, and nothing of this file was loaded",
                "only the classes that files of the reference code hold",
            )
        return self.classes.setdefault((module, name), stub_class(module, name))

    def persistent_load(self, reference):
        match reference:
            case ("storage", str(dtype), str(key), _, _) if dtype in DTYPES.values():
                return Storage(self.archive, f"{self.prefix}data/{key}", dtype)
        raise pickle.UnpicklingError(f"a reference to {reference!r:.80}")


def load(path):
    """What `torch.save` wrote to `path`: numpy arrays, plain containers and stubs."""
    if not zipfile.is_zipfile(path):
        raise Refused(
            path,
            "REFUSED: no zip archive, so perhaps a file of PyTorch before 1.6",
            "a file of torch.save in its present form: load it with the code that wrote it and save it again",
        )
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1:
            raise Refused(path, f"{len(pickles)} entries called data.pkl", "one")
        prefix = pickles[0].removesuffix("data.pkl")
        with archive.open(pickles[0]) as file:
            try:
                return IsolatedUnpickler(file, archive, prefix, path).load()
            except Refused:
                raise
            except Exception as error:
                # Whatever a broken or hostile pickle runs into, it is the file's fault.
                raise Refused(
                    path, f"REFUSED: {type(error).__name__}: {error}", "a pickle of tensors and modules"
                ) from error
