"""Gradient descent with heavy-ball momentum on stacked parameters, beside `medpriv.bank.optimiser.AdamW`."""

from medpriv.models.layers import Tensors, allocate_stack


class Sgd:
    """w -= rate * v, v = momentum * v + gradient, as `torch.optim.SGD`.

    Attributes:
        parameters, gradients: name -> [K, ...].
    """

    def __init__(self, parameters: Tensors, momentum: float) -> None:
        self.parameters = {name: allocate_stack(value.shape).copy_(value) for name, value in parameters.items()}
        self.gradients = {name: allocate_stack(value.shape) for name, value in parameters.items()}
        self._momentum = momentum
        self._moving = {name: allocate_stack(value.shape) for name, value in parameters.items()} if momentum else {}

    def update(self, learning_rate: float) -> None:
        """Move the parameters by the gradients that stand in `gradients`."""
        for name, value in self.parameters.items():
            step = self.gradients[name]
            if self._momentum:
                step = self._moving[name].mul_(self._momentum).add_(step)
            value.add_(step, alpha=-learning_rate)
