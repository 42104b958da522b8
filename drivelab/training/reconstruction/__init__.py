"""Gaussians from posed pictures: 3D Gaussian splatting (Kerbl et al. 2023, arXiv 2308.04079).

`reconstruct` is the loop; `views` the pictures, `model` the numbers that learn, `losses` what they
are judged by, `densify` which of them are copied, split and removed.
"""
