"""What is due from time to time: vacuum, a new graph, calibrations."""
