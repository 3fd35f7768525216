"""Transfer: a large source beside a small target, and how much each of its classes is worth to the target.

Room of L2TL (Zhu, Arik, Yang, Pfister, "Learning to Transfer Learn") and of what it is compared with.
"""

CODE = tuple(
    f"amalgam.transfer.{name}" for name in ("begin", "coach", "method", "policy", "reward", "source", "target")
)
"""The modules whose change makes other students of the same rows and settings."""
