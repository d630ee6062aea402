//! The driver: executes the core's effects and feeds it what happens.
