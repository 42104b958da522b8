"""Map templates of scenarios: small roads, junctions and towns with names for their lanes."""

from drivelab.sim.scenario.templates.catalogue import TEMPLATES, build_template
from drivelab.sim.scenario.templates.template import Parameter, RoadTemplate, TemplateKind

__all__ = ["TEMPLATES", "Parameter", "RoadTemplate", "TemplateKind", "build_template"]
