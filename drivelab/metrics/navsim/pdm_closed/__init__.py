"""PDM-Closed (Dauner et al., arXiv 2306.07962): 15 IDM proposals, simulated, scored, best taken.

Needed as the progress reference of PDMS and EPDMS, and offered as the agent `pdm_closed`.
"""

from drivelab.metrics.navsim.pdm_closed.planner import PdmClosedPlan, plan_pdm_closed

__all__ = ["PdmClosedPlan", "plan_pdm_closed"]
