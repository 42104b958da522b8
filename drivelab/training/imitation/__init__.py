"""Imitation: a network learns what recorded drivers did.

Scenes -> cached features and targets -> the network's own loss -> a checkpoint whenever some time
has passed, and on validation scenes the PDMS of what it would have driven.
"""

from drivelab.training.imitation.lesson import Lesson
from drivelab.training.imitation.loop import imitate
from drivelab.training.imitation.settings import ImitationSettings

__all__ = ["ImitationSettings", "Lesson", "imitate"]
