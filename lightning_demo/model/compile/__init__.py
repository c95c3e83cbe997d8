"""What makes the model faster: attention cache, compilation, CUDA graphs, float8."""
