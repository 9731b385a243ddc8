"""Measurements that the project makes of itself, each behind `dltrader bench`."""
