"""The benchmark suite: every figure that the documentation states is printed by a command from here."""
