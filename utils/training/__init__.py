"""How networks are trained; depends on data, models and measuring.

Beside the names below chapters import modules: `augmentation`, `masking`, `muon`, `optimizers`, and
`parallel`, which is started as a program of its own.
"""

from utils.training.loop import DivergedError, fit
from utils.training.networks import base_network
from utils.training.recipe import COMMON, FOUNDATION, MUON, RECIPE, Recipe

__all__ = ["COMMON", "FOUNDATION", "MUON", "RECIPE", "DivergedError", "Recipe", "base_network", "fit"]
