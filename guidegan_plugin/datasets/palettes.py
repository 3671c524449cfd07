"""The classes of two data sets of street scenes: name, colour, and the ids that label files have for it."""

from __future__ import annotations

Colour = tuple[int, int, int]
Classes = tuple[tuple[str, Colour, tuple[int, ...]], ...]

# The 19 classes that Cityscapes scores, in the order of their training ids; the ids are those of `labelIds` files.
CITYSCAPES: Classes = (
    ("road", (128, 64, 128), (7,)),
    ("sidewalk", (244, 35, 232), (8,)),
    ("building", (70, 70, 70), (11,)),
    ("wall", (102, 102, 156), (12,)),
    ("fence", (190, 153, 153), (13,)),
    ("pole", (153, 153, 153), (17,)),
    ("traffic light", (250, 170, 30), (19,)),
    ("traffic sign", (220, 220, 0), (20,)),
    ("vegetation", (107, 142, 35), (21,)),
    ("terrain", (152, 251, 152), (22,)),
    ("sky", (70, 130, 180), (23,)),
    ("person", (220, 20, 60), (24,)),
    ("rider", (255, 0, 0), (25,)),
    ("car", (0, 0, 142), (26,)),
    ("truck", (0, 0, 70), (27,)),
    ("bus", (0, 60, 100), (28,)),
    ("train", (0, 80, 100), (31,)),
    ("motorcycle", (0, 0, 230), (32,)),
    ("bicycle", (119, 11, 32), (33,)),
)

# CamVid as SegNet scores it: 11 classes, and void, in SegNet's colours.
CAMVID: Classes = (
    ("sky", (128, 128, 128), (0,)),
    ("building", (128, 0, 0), (1,)),
    ("pole", (192, 192, 128), (2,)),
    ("road", (128, 64, 128), (3,)),
    ("pavement", (60, 40, 222), (4,)),
    ("tree", (128, 128, 0), (5,)),
    ("sign", (192, 128, 128), (6,)),
    ("fence", (64, 64, 128), (7,)),
    ("car", (64, 0, 128), (8,)),
    ("pedestrian", (64, 64, 0), (9,)),
    ("bicyclist", (0, 128, 192), (10,)),
    ("void", (0, 0, 0), (11,)),
)
