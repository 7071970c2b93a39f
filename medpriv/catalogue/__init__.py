"""What exists by name: treatments, attack families and networks, with what is said of them.

Read by config, workflow, attacks and report, so it imports nothing but the standard library: no name has to be taken
apart, and no list of names written, anywhere else.
"""
