"""Palettes: which ids and colours of a label image are which class, and what is not scored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from guidegan_plugin.errors import ConfigError

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class LabelClass:
    """One class of a palette.

    Attributes:
        name: As tables show it.
        colour: Red, green and blue in 0..255; None where a colour image shows it in another class's colour.
        ids: Its gray levels in label-id images, each in 0..255.
    """

    name: str
    colour: RGB | None
    ids: tuple[int, ...]


@dataclass(frozen=True)
class Palette:
    """The classes of a data set's label images.

    A class's label is its place in ``classes``; everything in ``void`` shares the label ``len(classes)``.

    Attributes:
        name: As result files show it.
        classes: What is scored.
        void: What is not: pixels whose truth is one of these count nowhere.

    Raises:
        ConfigError: If there is no class, a class has no colour, or two share a name, a colour or an id.
    """

    name: str
    classes: tuple[LabelClass, ...]
    void: tuple[LabelClass, ...] = ()

    def __post_init__(self) -> None:
        if not self.classes:
            raise ConfigError(f"palette {self.name} has no class that is scored; change --palette")
        for entry in self.entries:
            if not all(0 <= value <= 255 for value in (*(entry.colour or ()), *entry.ids)):
                raise ConfigError(f"palette {self.name}: {entry.name} has a value outside 0..255; change --palette")
        for entry in self.classes:
            if entry.colour is None:
                raise ConfigError(f"palette {self.name}: {entry.name} has no colour; change --palette")
        self._refuse_twice("name", [entry.name for entry in self.classes])
        self._refuse_twice("colour", [entry.colour for entry in self.entries if entry.colour is not None])
        self._refuse_twice("id", [number for entry in self.entries for number in entry.ids])

    @property
    def entries(self) -> tuple[LabelClass, ...]:
        """All classes, scored or not, in the order of :meth:`label`."""
        return self.classes + self.void

    @property
    def names(self) -> list[str]:
        """Names of the classes that are scored."""
        return [entry.name for entry in self.classes]

    @property
    def void_label(self) -> int:
        """The label of what is not scored."""
        return len(self.classes)

    def label(self, place: int) -> int:
        """The label of the entry at a place in ``entries``."""
        return min(place, self.void_label)

    def _refuse_twice(self, what: str, values: Sequence[object]) -> None:
        value, count = Counter(values).most_common(1)[0] if values else (None, 0)
        if count > 1:
            raise ConfigError(f"palette {self.name} has the {what} {value} twice; change --palette")


# The colours of the SegNet tutorial, whose label images these ids are.
CAMVID = Palette(
    "camvid",
    (
        LabelClass("sky", (128, 128, 128), (0,)),
        LabelClass("building", (128, 0, 0), (1,)),
        LabelClass("pole", (192, 192, 128), (2,)),
        LabelClass("road", (128, 64, 128), (3,)),
        LabelClass("pavement", (60, 40, 222), (4,)),
        LabelClass("tree", (128, 128, 0), (5,)),
        LabelClass("sign", (192, 128, 128), (6,)),
        LabelClass("fence", (64, 64, 128), (7,)),
        LabelClass("car", (64, 0, 128), (8,)),
        LabelClass("pedestrian", (64, 64, 0), (9,)),
        LabelClass("bicyclist", (0, 128, 192), (10,)),
    ),
    (LabelClass("void", (0, 0, 0), (11,)),),
)

# The 19 classes in the order of their train ids, by the ids of *_labelIds.png.
CITYSCAPES = Palette(
    "cityscapes",
    (
        LabelClass("road", (128, 64, 128), (7,)),
        LabelClass("sidewalk", (244, 35, 232), (8,)),
        LabelClass("building", (70, 70, 70), (11,)),
        LabelClass("wall", (102, 102, 156), (12,)),
        LabelClass("fence", (190, 153, 153), (13,)),
        LabelClass("pole", (153, 153, 153), (17,)),
        LabelClass("traffic light", (250, 170, 30), (19,)),
        LabelClass("traffic sign", (220, 220, 0), (20,)),
        LabelClass("vegetation", (107, 142, 35), (21,)),
        LabelClass("terrain", (152, 251, 152), (22,)),
        LabelClass("sky", (70, 130, 180), (23,)),
        LabelClass("person", (220, 20, 60), (24,)),
        LabelClass("rider", (255, 0, 0), (25,)),
        LabelClass("car", (0, 0, 142), (26,)),
        LabelClass("truck", (0, 0, 70), (27,)),
        LabelClass("bus", (0, 60, 100), (28,)),
        LabelClass("train", (0, 80, 100), (31,)),
        LabelClass("motorcycle", (0, 0, 230), (32,)),
        LabelClass("bicycle", (119, 11, 32), (33,)),
    ),
    (
        LabelClass("unlabeled", (0, 0, 0), (0, 1, 2, 3, 4)),
        LabelClass("dynamic", (111, 74, 0), (5,)),
        LabelClass("ground", (81, 0, 81), (6,)),
        LabelClass("parking", (250, 170, 160), (9,)),
        LabelClass("rail track", (230, 150, 140), (10,)),
        LabelClass("guard rail", (180, 165, 180), (14,)),
        LabelClass("bridge", (150, 100, 100), (15,)),
        LabelClass("tunnel", (150, 120, 90), (16,)),
        # Drawn in the colour of poles; a license plate likewise is drawn as its car, and has no id.
        LabelClass("polegroup", None, (18,)),
        LabelClass("caravan", (0, 0, 90), (29,)),
        LabelClass("trailer", (0, 0, 110), (30,)),
    ),
)

# The same by the ids of *_labelTrainIds.png; 255, which occurs in no *_labelIds.png, tells the two apart.
CITYSCAPES_TRAIN_IDS = Palette(
    "cityscapes-trainids",
    tuple(LabelClass(entry.name, entry.colour, (label,)) for label, entry in enumerate(CITYSCAPES.classes)),
    (
        LabelClass("void", (0, 0, 0), (255,)),
        *(LabelClass(entry.name, entry.colour, ()) for entry in CITYSCAPES.void[1:] if entry.colour is not None),
    ),
)

PALETTES = {palette.name: palette for palette in (CAMVID, CITYSCAPES, CITYSCAPES_TRAIN_IDS)}
