//! The local cloud: emulator, container engine, images.
