//! Checkpoints of every family, converted and run, against reference logits.
