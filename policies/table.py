"""Every policy by name. A new one is a file beside this one and a line in `METHODS`."""

from hardware.errors import unknown
from policies.diffusion import Diffusion
from policies.errors import PolicyError
from policies.flow import Flow
from policies.method import Method
from policies.regression import Regression

METHODS: dict[str, type[Method]] = {
    "flow": Flow,
    "diffusion": Diffusion,
    "regression": Regression,
}


def method_class(name: str) -> type[Method]:
    """The method called `name`; `PolicyError` with the valid names."""
    if name not in METHODS:
        raise PolicyError(unknown("policy", name, METHODS))
    return METHODS[name]


def method_name(method: Method) -> str:
    """The name in `METHODS` of a method's class."""
    return next(name for name, cls in METHODS.items() if type(method) is cls)
