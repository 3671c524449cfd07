"""What attention mechanisms, concatenations and transfer blocks have in common: a name, and options of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from guidegan_plugin.config import GuideConfig
from guidegan_plugin.utils.options import NoOptions

if TYPE_CHECKING:
    from typing_extensions import Self


class Configurable:
    """A mechanism that is chosen by its name and built from its options.

    Attributes:
        name: What users type to choose the mechanism.
        Options: A frozen dataclass, its fields made by :func:`~guidegan_plugin.utils.options.option`. A field
            ``start`` of the mechanism ``tam`` is ``--guide_tam_start`` on a host's command line, and ``tam_start`` in
            ``GuideConfig(options=...)``.
    """

    name: ClassVar[str]
    Options: ClassVar[type[Any]] = NoOptions

    @classmethod
    def from_options(cls, options: Any, config: GuideConfig) -> Self:
        """Build the mechanism; by default its options are the arguments of its constructor.

        Args:
            options: An object of ``Options``.
            config: What is the same for all mechanisms, such as ``layer`` and ``seed``.

        Raises:
            ConfigError: If the mechanism cannot work with these.
        """
        return cls(**vars(options))
