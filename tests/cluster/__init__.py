"""Tests with real control planes on one machine, without containers: the control planes and Envoy are processes on
loopback.
"""
