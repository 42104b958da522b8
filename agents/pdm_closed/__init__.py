"""PDM-Closed (arXiv 2306.07962): the rule planner that NAVSIM measures progress against."""

from drivelab.agents.pdm_closed.agent import PdmClosed

__all__ = ["PdmClosed"]
