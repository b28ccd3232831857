"""What the options of `run` and `create` mean: pure functions from text to record and spec."""
