"""Weights: the checkpoint table, UNets kept or overwritten, LoRAs, single files."""
