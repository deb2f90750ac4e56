"""The weights of doubt with which every queue begins.

All but one are fitted by `training/doubts.py`, none below 0, on what the model `nuclei` says of
142 of dsb2018's training images (8,689 entries, of which 2,230 needed correction at an IoU of
0.75). `cut` is set by hand, for masks that other tools have made tile by tile: the project's own
prediction leaves no cut nuclei to learn it from.
"""

from .weights import Weights

DEFAULT = Weights.from_dict(
    {
        "bias": -2.0,
        "signs": {
            "doubtful": 5.93,
            "small": 0.26,
            "overlap": 0.61,
            "cut": 2.0,
            "rival": 4.22,
            "crowded": 1.58,
            "likely": 2.06,
            "covered": 2.3,
            "vague": 1.69,
        },
        "mean": {
            "doubtful": 0.02,
            "near": 0.031,
            "small": 0.055,
            "long": 0.018,
            "hollow": 0.04,
            "vague": -0.032,
        },
    }
)
