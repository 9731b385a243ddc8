"""Forecasters, which learn from labels what will be, and the ensemble, in which they and policies vote.

Words of this package:
    label         what became of a bar, said of it afterwards: for learning only, no decision sees one
    horizon       bars ahead that a label tells of: of bar t it uses the bars t+1 to t+horizon
    side          buy, sell or hold: which trade over the horizon would have paid for its costs
    win           a long trade over the horizon that pays for its costs
    movement      log return over the horizon, from the open that an order would be filled at to the last close
    risk          how rough the way there is: realised volatility over the horizon
    forecaster    says of a window of features how likely each side is, and more
    member        a forecaster or a policy in an ensemble
    model         what has one vote there; a member may hold several, one a horizon
    vote          what a model says of bars
    opinion       what the ensemble makes of the votes on one bar
"""
