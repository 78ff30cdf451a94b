"""Augmentation that treats every image of a batch in its own way."""

import torch
import torch.nn.functional as F
from torch import Tensor


def random_shift(images: Tensor, pixels: int) -> Tensor:
    """Move each image by up to `pixels` across and down: the random crop of images whose edges are continued.

    The transforms of `torchvision.transforms.v2` draw once for a whole batch; this draws once an image.

    Args:
        images: `[N, C, H, W]`.
        pixels: a whole number, 0 or more.

    Returns:
        `[N, C, H, W]`, the images in their order; torch's global generator drives the draws.

    Raises:
        ValueError: if `pixels` is negative.
    """
    if pixels < 0:
        raise ValueError(f"pixels is {pixels}; it has to be 0 or more")
    height, width = images.shape[2:]
    padded = F.pad(images, [pixels] * 4, mode="replicate")
    corners = torch.randint(0, 2 * pixels + 1, (2, len(images), 1), device=images.device)
    rows = corners[0] + torch.arange(height, device=images.device)  # [N, H]
    columns = corners[1] + torch.arange(width, device=images.device)  # [N, W]
    which = torch.arange(len(images), device=images.device)[:, None, None]
    return padded[which, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()
