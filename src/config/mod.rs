//! argv, environment and the file, joined.
