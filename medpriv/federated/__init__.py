"""Federated learning in process: partitions, client's and server's steps, rounds, secure aggregation, messages."""
