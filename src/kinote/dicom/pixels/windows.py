"""Windows: the range of values that is spread over the greys of a display (PS3.3 C.11.2.1.2, C.11.2.1.3)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


@dataclass(frozen=True, slots=True)
class Window:
    """Centre and width in output units of the modality transform, and the VOI LUT Function.

    `width` is greater than 0, and at least 1 for LINEAR. Raises `ValueError` otherwise.
    """

    centre: float
    width: float
    function: str = "LINEAR"

    def __post_init__(self) -> None:
        if self.function not in FUNCTIONS:
            raise ValueError(
                f"The window function is {self.function!r}; it is one of {', '.join(FUNCTIONS)}."
            )
        least = 1.0 if self.function == "LINEAR" else 0.0
        if not np.isfinite((self.centre, self.width)).all() or self.width < least or self.width == 0:
            raise ValueError(
                f"The window width is {self.width:g}; it must be "
                + ("at least 1." if least else "greater than 0.")
            )

    def shown(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert values to brightness, 0 to 1."""
        if self.function == "SIGMOID":
            exponent = np.clip(-4.0 * (values - self.centre) / self.width, -700.0, 700.0)
            return 1.0 / (1.0 + np.exp(exponent))
        if self.function == "LINEAR_EXACT":
            return np.clip((values - self.centre) / self.width + 0.5, 0.0, 1.0)
        if self.width == 1.0:
            return (values > self.centre - 0.5).astype(np.float64)
        return np.clip((values - (self.centre - 0.5)) / (self.width - 1.0) + 0.5, 0.0, 1.0)
