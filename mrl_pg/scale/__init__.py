"""What an index costs at a size that you do not have yet: slopes that were measured.

from mrl_pg.scale import plan

for each in plan(1_000_000_000, 1536, memory="64GB"):
    print(each.name, each.nodes, each.index)
"""

from mrl_pg.scale.forms import Form
from mrl_pg.scale.plan import Figure, ScalePlan, plan

__all__ = ["Figure", "Form", "ScalePlan", "plan"]
