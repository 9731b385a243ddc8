"""Real bars with an answer sheet: what can be predicted in them is planted there, or nothing can.

Words of this package:
    moves         a bar without its price: what it did relative to the close before, and its volume
    fair bars     real moves in shuffled blocks, each turned up or down by lot: nobody can predict them
    planted bars  fair bars whose gaps follow an AR(1), so that one gap tells of the next
    strength      correlation of what is predicted with what a position earns: the information coefficient
    recoverable   log growth of the best policy on planted bars, at the same costs in the same backtest
    share         the agent's growth over the recoverable one, both out of sample
    placebo       a training on fair bars; growth that is significant there is a false positive
"""
