"""The decoder: token ids and soft tokens in, logits out.

Layers reach their parts as items, `self["q_proj"]`, as `mlx.nn` reaches weights. An MLX module is
a dictionary, and a part that is asked for as an attribute is first looked for everywhere else, in
vain: 640 times a token in E2B, 5 % of the work of the thread that builds and starts a step.
"""
