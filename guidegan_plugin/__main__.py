"""``python -m guidegan_plugin`` is the ``guidegan`` command, also under ``torchrun -m``."""

from guidegan_plugin.cli import main

if __name__ == "__main__":
    main()
