"""The ONNX side of a study: a network taken apart, run, and judged."""
