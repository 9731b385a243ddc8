"""Jobs on other machines: the only room that knows Ray."""
