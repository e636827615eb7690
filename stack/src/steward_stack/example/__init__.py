"""The example: two weeks of one property group, made anew from a seed."""
