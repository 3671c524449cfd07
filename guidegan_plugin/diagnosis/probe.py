"""Says what torch and torchvision are, a line of JSON a fact: ``python -m guidegan_plugin.diagnosis.probe``.

A process of its own, because two packages that do not fit may end the interpreter and not only raise.
"""

from __future__ import annotations

import json
import sys
import warnings


def main() -> None:
    """Import both packages, look for GPUs, and call one of torchvision's compiled operators.

    Raises:
        Exception: Whatever the packages raise; the facts written before it stand.
    """
    import torch

    _say(torch=torch.__version__)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        gpus = [torch.cuda.get_device_properties(number) for number in range(count)]
    _say(
        built_for=torch.version.cuda or torch.version.hip,
        gpus=[f"{gpu.name} ({gpu.total_memory / 2**30:.0f} GiB)" for gpu in gpus],
        complaint=" ".join(str(caught[0].message).split()) if caught else "",
    )
    import torchvision

    torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    _say(torchvision=torchvision.__version__)


def _say(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
