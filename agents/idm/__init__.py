"""IDM: follow the route's centreline behind whoever is ahead."""

from drivelab.agents.idm.agent import Idm

__all__ = ["Idm"]
