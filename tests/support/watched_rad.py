"""A RAD agent that tells afterwards what it did."""

from drivelab.agents.rad.agent import Rad
from drivelab.types import Plan


class WatchedRad(Rad):
    """Keeps what it saw and planned."""

    def act(self, observations) -> list[Plan]:
        plans = super().act(observations)
        self.seen = [*getattr(self, "seen", []), *observations]
        self.planned = [*getattr(self, "planned", []), *plans]
        return plans
