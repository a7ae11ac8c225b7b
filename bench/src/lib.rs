//! The benchmark suite: ring hop, core apply, journal append and the whole pipeline.
