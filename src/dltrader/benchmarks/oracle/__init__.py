"""Markets with an answer sheet: tasks whose optimal policy is known, so that an agent can be scored against it.

Words of this package:
    signal p       what one unit is expected to earn over the next step; an AR(1)
    shown          what the agent sees of the market, one number a step: the signal itself, or noisy returns
    paid           what one unit in fact earns over the step; where nothing is hidden, the signal
    position q     units held over a step; held, q₋₁, those held before it
    move Δq        q - q₋₁, which costs
    switch         the signal from which on the best position jumps to the other side
    fraction       an agent's reward over that of the optimal policy on the same paths
"""
