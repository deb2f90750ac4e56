"""The weights of doubt with which every queue begins.

All but one are fitted by `training/doubts.py`, none below 0, on what the model `nuclei` says of
160 of dsb2018's training images (8,108 entries, of which 973 were wrong altogether, at an IoU of
0.5, and 1,936 at one of 0.75). `cut` is set by hand, for masks that other tools have made tile by
tile: the project's own prediction leaves no cut nuclei to learn it from.
"""

from .weights import Weights

DEFAULT = Weights.from_dict(
    {
        "bias": -2.46,
        "signs": {
            "doubtful": 4.17,
            "small": 0.18,
            "rough": 0.48,
            "overlap": 0.69,
            "cut": 2.0,
            "rival": 0.24,
            "crowded": 0.76,
            "likely": 3.13,
            "covered": 0.42,
            "vague": 3.01,
        },
        "mean": {
            "doubtful": 0.019,
            "near": 0.027,
            "small": 0.048,
            "long": 0.002,
            "hollow": 0.037,
            "vague": -0.123,
        },
    }
)
