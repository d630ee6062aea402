//! Draws the model. Reads, never mutates.
