"""What a model takes on a machine: bytes by part, and a plan that fits. No tensor is read.

machine     how much memory there is, and how much of it may be taken
weights     of a checkpoint, or as a recipe would pack them
scratch     what comes and goes while a model reads and writes
plan        the sum, and the verdict
planner     finds a way to run a model that fits
published   the published models, known without a network
advice      what would fit instead
admission   what does not fit is refused
"""

from gemma4_mlx.memory.admission import plan_loading, require_room
from gemma4_mlx.memory.advice import advice, variant_plan
from gemma4_mlx.memory.machine import GIB, Machine, mac, this_machine
from gemma4_mlx.memory.plan import Choice, Demand, Line, Plan, Verdict
from gemma4_mlx.memory.planner import largest_context, plan_model, plan_turn
from gemma4_mlx.memory.published import PUBLISHED, find_published, published_config
from gemma4_mlx.memory.weights import Weights, checkpoint_weights, planned_weights

__all__ = [
    "GIB",
    "PUBLISHED",
    "Choice",
    "Demand",
    "Line",
    "Machine",
    "Plan",
    "Verdict",
    "Weights",
    "advice",
    "checkpoint_weights",
    "find_published",
    "largest_context",
    "mac",
    "plan_loading",
    "plan_model",
    "plan_turn",
    "planned_weights",
    "published_config",
    "require_room",
    "this_machine",
    "variant_plan",
]
